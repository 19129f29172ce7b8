//! One consistent state of an old database, in memory: whatever is wrong with the source is known before the first row
//! is written.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{
    Error, copy,
    normal::trade,
    report::{Entity, Report},
    rows::{
        self, Drink, Favorite, Fields, Item, Notification, Order, OrderDrink, Preference, Reason, Revenue, Row, Token,
        User,
    },
    table::Table,
};

/// Rows that one database may have: some hundred times the largest known, and a bound for memory (about 200 bytes each).
const ROWS_MAX: usize = 10_000_000;

/// All rows, each kind in order of its numbers.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Tells one old database from another, whether it is read live or from a dump.
    pub(super) fingerprint: [u8; 32],
    pub(super) users: Vec<User>,
    pub(super) tokens: Vec<Token>,
    pub(super) drinks: Vec<Drink>,
    pub(super) favorites: Vec<Favorite>,
    pub(super) preferences: Vec<Preference>,
    pub(super) items: Vec<Item>,
    pub(super) orders: Vec<Order>,
    pub(super) order_drinks: Vec<OrderDrink>,
    pub(super) revenue: Vec<Revenue>,
    pub(super) notifications: Vec<Notification>,
    /// Cents of sales that cannot be read otherwise.
    pub(super) unreadable_cents: i64,
}

/// Takes rows in, one after the other.
#[derive(Default)]
pub(super) struct Loader {
    snapshot: Snapshot,
    report: Report,
    /// For each table that was found, where each of its columns stands.
    found: BTreeMap<Table, Vec<usize>>,
    columns: BTreeMap<Table, usize>,
    first_migration: Option<(i64, String, String)>,
    rows: usize,
}

impl Loader {
    /// A table begins, with these columns in this order.
    ///
    /// # Errors
    /// A column is missing, or the table was there already.
    pub(super) fn table(&mut self, table: Table, columns: &[String]) -> Result<(), Error> {
        let place = |wanted: &&str| {
            let problem = || Error::Source(format!("table {} has no column {wanted}", table.name()));
            columns.iter().position(|name| name == wanted).ok_or_else(problem)
        };
        let places = table.columns().iter().map(place).collect::<Result<_, _>>()?;
        if self.found.insert(table, places).is_some() {
            return Err(Error::Source(format!("table {} is there twice: more than one database?", table.name())));
        }
        self.columns.insert(table, columns.len());
        Ok(())
    }

    /// How many rows were taken in so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// A row of a table that has begun.
    ///
    /// # Errors
    /// There are more rows than anyone has.
    pub(super) fn row(&mut self, table: Table, raw: &[u8]) -> Result<(), Error> {
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Err(Error::Source(format!("the database has more than {ROWS_MAX} rows")));
        }
        let outcome = self.fields(table, raw).and_then(|fields| self.keep(table, fields));
        if let Some(entity) = Entity::of(table) {
            self.report.read(entity);
            if let Err(reason) = outcome {
                self.report.skip(entity, None, &reason);
            }
        }
        Ok(())
    }

    fn fields(&self, table: Table, raw: &[u8]) -> Result<Fields, Reason> {
        let mut values = copy::fields(raw)?;
        if self.columns.get(&table) != Some(&values.len()) {
            return Err("the row has another number of columns than its table".to_owned());
        }
        let places = self.found.get(&table).map(Vec::as_slice).unwrap_or_default();
        let values = places.iter().map(|place| values.get_mut(*place).and_then(Option::take)).collect();
        Ok(Fields::new(table, values))
    }

    fn keep(&mut self, table: Table, mut fields: Fields) -> Result<(), Reason> {
        let snapshot = &mut self.snapshot;
        match table {
            Table::Migrations => {
                let migration = rows::migration(fields)?;
                if self.first_migration.as_ref().is_none_or(|first| migration < *first) {
                    self.first_migration = Some(migration);
                }
            }
            Table::Users => snapshot.users.push(Row::read(&mut fields)?),
            Table::Tokens => snapshot.tokens.push(Row::read(&mut fields)?),
            Table::Drinks => snapshot.drinks.push(Row::read(&mut fields)?),
            Table::Favorites => snapshot.favorites.push(Row::read(&mut fields)?),
            Table::Preferences => snapshot.preferences.push(Row::read(&mut fields)?),
            Table::Inventory => snapshot.items.push(Row::read(&mut fields)?),
            Table::Orders => snapshot.orders.push(Row::read(&mut fields)?),
            Table::OrderDrinks => snapshot.order_drinks.push(Row::read(&mut fields)?),
            Table::Revenue => {
                let cents = fields.peek("TotalAmount").and_then(|amount| trade::cents(amount).ok());
                snapshot.unreadable_cents += cents.unwrap_or_default();
                snapshot.revenue.push(Row::read(&mut fields)?);
                snapshot.unreadable_cents -= cents.unwrap_or_default();
            }
            Table::Notifications => snapshot.notifications.push(Row::read(&mut fields)?),
        }
        Ok(())
    }

    /// All rows are there.
    ///
    /// # Errors
    /// Tables are missing, or nothing tells this database from others.
    pub(super) fn finish(self, name: Option<&str>) -> Result<(Snapshot, Report), Error> {
        let missing: Vec<&str> = Table::ALL
            .into_iter()
            .filter(|table| !table.is_optional() && !self.found.contains_key(table))
            .map(Table::name)
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Error::Source(format!("this is no complete CodePop database: it lacks {missing}")));
        }
        let Self { mut snapshot, mut report, first_migration, .. } = self;
        sort(&mut snapshot.users, Entity::Users, &mut report);
        sort(&mut snapshot.tokens, Entity::Tokens, &mut report);
        sort(&mut snapshot.drinks, Entity::Drinks, &mut report);
        sort(&mut snapshot.favorites, Entity::Favorites, &mut report);
        sort(&mut snapshot.preferences, Entity::Preferences, &mut report);
        sort(&mut snapshot.items, Entity::Inventory, &mut report);
        sort(&mut snapshot.orders, Entity::Orders, &mut report);
        sort(&mut snapshot.order_drinks, Entity::OrderDrinks, &mut report);
        sort(&mut snapshot.revenue, Entity::Revenue, &mut report);
        sort(&mut snapshot.notifications, Entity::Notifications, &mut report);
        snapshot.fingerprint = fingerprint(name, first_migration, snapshot.users.first())?;
        Ok((snapshot, report))
    }
}

/// Brings rows into the order of their numbers; of rows with the same number the first stays.
fn sort<R: Row>(rows: &mut Vec<R>, entity: Entity, report: &mut Report) {
    rows.sort_by_key(Row::id);
    let mut seen = BTreeSet::new();
    rows.retain(|row| {
        let is_new = seen.insert(row.id());
        if !is_new {
            report.skip(entity, Some(row.id()), "the number is there twice");
        }
        is_new
    });
}

/// The first migration of a database ran at one microsecond that no other database has. Without it the first user must do.
fn fingerprint(
    name: Option<&str>,
    migration: Option<(i64, String, String)>,
    user: Option<&User>,
) -> Result<[u8; 32], Error> {
    let mark = match (name, migration, user) {
        (Some(name), _, _) => format!("named {name}"),
        (None, Some((at, app, name)), _) => format!("migrated {at} {app} {name}"),
        (None, None, Some(user)) => {
            let joined = user.joined.map_or(0, |joined| joined.timestamp_micros());
            format!("began with user {} at {joined}", user.id)
        }
        (None, None, None) => {
            return Err(Error::Source(
                "the database has neither users nor migrations; there is nothing to import".into(),
            ));
        }
    };
    Ok(Sha256::digest(format!("codepop legacy database {mark}")).into())
}

//! What became of every row: the table at the end of an import.

use std::{collections::BTreeMap, fmt};

use super::table::Table;

/// Numbers of rows that are named beside a reason.
const NAMED_MAX: usize = 8;

/// A kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Accounts.
    Users,
    /// Sessions of phones.
    Tokens,
    /// Drinks.
    Drinks,
    /// Favourites.
    Favorites,
    /// Preferences.
    Preferences,
    /// Items in stock.
    Inventory,
    /// Orders.
    Orders,
    /// Drinks of orders.
    OrderDrinks,
    /// Sales.
    Revenue,
    /// Notices.
    Notifications,
}

impl Entity {
    /// All of them, in the order in which they are brought over.
    pub const ALL: [Self; 10] = [
        Self::Users,
        Self::Tokens,
        Self::Drinks,
        Self::Favorites,
        Self::Preferences,
        Self::Inventory,
        Self::Orders,
        Self::OrderDrinks,
        Self::Revenue,
        Self::Notifications,
    ];

    /// Its name for people, and in rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Drinks => "drinks",
            Self::Favorites => "favourites",
            Self::Preferences => "preferences",
            Self::Inventory => "inventory",
            Self::Orders => "orders",
            Self::OrderDrinks => "order drinks",
            Self::Revenue => "revenue",
            Self::Notifications => "notifications",
        }
    }

    pub(super) const fn of(table: Table) -> Option<Self> {
        Some(match table {
            Table::Migrations => return None,
            Table::Users => Self::Users,
            Table::Tokens => Self::Tokens,
            Table::Drinks => Self::Drinks,
            Table::Favorites => Self::Favorites,
            Table::Preferences => Self::Preferences,
            Table::Inventory => Self::Inventory,
            Table::Orders => Self::Orders,
            Table::OrderDrinks => Self::OrderDrinks,
            Table::Revenue => Self::Revenue,
            Table::Notifications => Self::Notifications,
        })
    }
}

/// Rows with one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The numbers of the first of them in the old system.
    pub named: Vec<i64>,
}

impl Rows {
    fn add(&mut self, id: Option<i64>) {
        self.count += 1;
        self.named.extend(id.filter(|_| self.named.len() < NAMED_MAX));
    }
}

/// What became of the rows of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that the source has.
    pub read: u64,
    /// Rows brought over by this run.
    pub imported: u64,
    /// Rows that an earlier run had brought over.
    pub before: u64,
    /// Rows of those brought over that were changed on the way.
    pub changed: u64,
    /// Rows left out.
    pub skipped: u64,
    /// What was changed.
    pub changes: BTreeMap<String, Rows>,
    /// Why rows were left out.
    pub reasons: BTreeMap<String, Rows>,
}

/// A sum of money in the source and here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// What it is the sum of.
    pub what: &'static str,
    /// Cents in the source.
    pub source: i64,
    /// Cents in this node's database.
    pub here: i64,
    /// Cents of rows that were left out, for a reason that is shown.
    pub left_out: i64,
}

impl Total {
    fn adds_up(&self) -> bool {
        self.source == self.here + self.left_out
    }
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    tallies: BTreeMap<Entity, Tally>,
    /// Sums of money.
    pub totals: Vec<Total>,
}

impl Report {
    /// What became of one kind of row.
    pub fn tally(&self, entity: Entity) -> Tally {
        self.tallies.get(&entity).cloned().unwrap_or_default()
    }

    fn of(&mut self, entity: Entity) -> &mut Tally {
        self.tallies.entry(entity).or_default()
    }

    pub(super) fn read(&mut self, entity: Entity) {
        self.of(entity).read += 1;
    }

    pub(super) fn before(&mut self, entity: Entity) {
        self.of(entity).before += 1;
    }

    /// A row was brought over, after these changes.
    pub(super) fn import(&mut self, entity: Entity, id: i64, changes: &[String]) {
        let tally = self.of(entity);
        tally.imported += 1;
        tally.changed += u64::from(!changes.is_empty());
        for change in changes {
            tally.changes.entry(change.clone()).or_default().add(Some(id));
        }
    }

    pub(super) fn skip(&mut self, entity: Entity, id: Option<i64>, reason: &str) {
        let tally = self.of(entity);
        tally.skipped += 1;
        tally.reasons.entry(reason.to_owned()).or_default().add(id);
    }

    /// What does not add up: every row must be somewhere, every cent too.
    pub fn faults(&self) -> Vec<String> {
        let rows = self.tallies.iter().filter(|(_, t)| t.read != t.imported + t.before + t.skipped);
        let rows = rows.map(|(entity, _)| format!("not every row of {} is accounted for", entity.word()));
        let money = self.totals.iter().filter(|total| !total.adds_up()).map(|total| {
            format!("{}: {} in the source, {} here", total.what, dollars(total.source), dollars(total.here))
        });
        rows.chain(money).collect()
    }
}

/// Cents as dollars, with commas.
pub(super) fn dollars(cents: i64) -> String {
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let digits = whole.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{}{text}.{rest:02}", if cents < 0 { "-" } else { "" })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["", "read", "imported", "before", "changed", "skipped"];
        let [what, read, imported, before, changed, skipped] = heads;
        writeln!(f, "{what:<14}{read:>10}{imported:>10}{before:>10}{changed:>10}{skipped:>10}")?;
        for entity in Entity::ALL {
            let Tally { read, imported, before, changed, skipped, .. } = self.tally(entity);
            writeln!(f, "{:<14}{read:>10}{imported:>10}{before:>10}{changed:>10}{skipped:>10}", entity.word())?;
        }
        self.list(f, "Changed:", |tally| &tally.changes)?;
        self.list(f, "Skipped:", |tally| &tally.reasons)?;
        if !self.totals.is_empty() {
            writeln!(f, "\nMoney:")?;
        }
        for total in &self.totals {
            let sign = if total.source == total.here { "=" } else { "IS NOT" };
            writeln!(
                f,
                "  {}: {} in the source {sign} {} here",
                total.what,
                dollars(total.source),
                dollars(total.here)
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn list(
        &self,
        f: &mut fmt::Formatter<'_>,
        head: &str,
        of: impl Fn(&Tally) -> &BTreeMap<String, Rows>,
    ) -> fmt::Result {
        if self.tallies.values().any(|tally| !of(tally).is_empty()) {
            writeln!(f, "\n{head}")?;
        }
        for (entity, tally) in &self.tallies {
            for (reason, rows) in of(tally) {
                let mut named: Vec<String> = rows.named.iter().map(i64::to_string).collect();
                if !named.is_empty() && rows.count > named.len() as u64 {
                    named.push("…".to_owned());
                }
                let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
                writeln!(f, "  {} {}: {reason}{named}", rows.count, entity.word())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_a_fault() {
        let mut report = Report::default();
        report.read(Entity::Users);
        report.read(Entity::Users);
        report.import(Entity::Users, 1, &["the name was changed".to_owned()]);
        assert_eq!(report.faults(), ["not every row of users is accounted for"]);
        report.skip(Entity::Users, Some(2), "it is odd");
        assert_eq!(report.faults(), Vec::<String>::new());
        report.totals.push(Total { what: "sales", source: 223_287, here: 223_286, left_out: 0 });
        assert_eq!(report.faults(), ["sales: 2,232.87 in the source, 2,232.86 here"]);
        let text = report.to_string();
        assert!(text.contains("1 users: it is odd (2)") && text.contains("IS NOT"), "{text}");
    }

    #[test]
    fn dollars_are_shown_to_the_cent() {
        let shown = [0, 5, 223_287, -100, 123_456_789].map(dollars);
        assert_eq!(shown, ["0.00", "0.05", "2,232.87", "-1.00", "1,234,567.89"]);
    }
}

//! Rows of the old system, read into types. What cannot be read is a reason for the report; what is odd but readable is
//! kept as it is: putting it right is the business of `normal`.

use chrono::{DateTime, Utc};

use super::{copy, table::Table};

/// Why a row cannot be taken over, for people.
pub(super) type Reason = String;

/// A row's fields by column.
pub(super) struct Fields {
    table: Table,
    values: Vec<Option<String>>,
}

impl Fields {
    /// The fields of a row, in the order of [`Table::columns`].
    pub(super) fn new(table: Table, values: Vec<Option<String>>) -> Self {
        Self { table, values }
    }

    /// A field that stays where it is.
    pub(super) fn peek(&self, column: &str) -> Option<&str> {
        let at = self.table.columns().iter().position(|name| *name == column)?;
        self.values.get(at)?.as_deref()
    }

    fn maybe(&mut self, column: &str) -> Option<String> {
        let at = self.table.columns().iter().position(|name| *name == column)?;
        self.values.get_mut(at).and_then(Option::take)
    }

    fn text(&mut self, column: &str) -> Result<String, Reason> {
        self.maybe(column).ok_or_else(|| format!("{column} is NULL"))
    }

    fn parsed<T>(&mut self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Reason> {
        parse(&self.text(column)?).ok_or_else(|| format!("{column} makes no sense"))
    }

    /// The number of a row: keys of the old system begin at 1.
    fn key(&mut self, column: &str) -> Result<i64, Reason> {
        self.parsed(column, |text| text.parse().ok().filter(|key| (1..=i64::from(i32::MAX)).contains(key)))
    }

    fn integer(&mut self, column: &str) -> Result<i64, Reason> {
        self.parsed(column, |text| text.parse().ok())
    }

    fn flag(&mut self, column: &str) -> Result<bool, Reason> {
        self.parsed(column, |text| match text {
            "t" | "true" => Some(true),
            "f" | "false" => Some(false),
            _ => None,
        })
    }

    fn list(&mut self, column: &str) -> Result<Vec<String>, Reason> {
        match self.maybe(column) {
            None => Ok(Vec::new()),
            Some(text) => copy::array(&text).map_err(|problem| format!("{column} {problem}")),
        }
    }

    /// A time; none when it is NULL or out of all range.
    fn time(&mut self, column: &str) -> Result<Option<DateTime<Utc>>, Reason> {
        Ok(self.maybe(column).and_then(|text| copy::time(&text)))
    }

    #[allow(clippy::unnecessary_wraps, reason = "as the other kinds of columns")]
    fn optional(&mut self, column: &str) -> Result<Option<String>, Reason> {
        Ok(self.maybe(column))
    }
}

/// A row of one table.
pub(super) trait Row: Sized {
    /// Reads it.
    fn read(fields: &mut Fields) -> Result<Self, Reason>;

    /// Its number in the old system.
    fn id(&self) -> i64;
}

macro_rules! rows {
    ($($(#[$doc:meta])* $row:ident { $($field:ident: $type:ty = $read:ident($column:literal),)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub(super) struct $row {
                $(pub(super) $field: $type,)+
            }

            impl Row for $row {
                fn read(fields: &mut Fields) -> Result<Self, Reason> {
                    Ok(Self { $($field: fields.$read($column)?,)+ })
                }

                fn id(&self) -> i64 {
                    self.id
                }
            }
        )+
    };
}

rows! {
    /// An account.
    User {
        id: i64 = key("id"),
        password: String = text("password"),
        superuser: bool = flag("is_superuser"),
        username: String = text("username"),
        first_name: String = text("first_name"),
        last_name: String = text("last_name"),
        email: String = text("email"),
        staff: bool = flag("is_staff"),
        active: bool = flag("is_active"),
        joined: Option<DateTime<Utc>> = time("date_joined"),
    }

    /// A session of a phone; one a user, so the user's number is its own.
    Token {
        key: String = text("key"),
        id: i64 = key("user_id"),
    }

    /// A drink.
    Drink {
        id: i64 = key("DrinkID"),
        name: String = text("Name"),
        syrups: Vec<String> = list("SyrupsUsed"),
        sodas: Vec<String> = list("SodaUsed"),
        add_ins: Vec<String> = list("AddIns"),
        rating: Option<String> = optional("Rating"),
        price: String = text("Price"),
        size: String = text("Size"),
        ice: String = text("Ice"),
        user_created: bool = flag("User_Created"),
    }

    /// A favourite.
    Favorite {
        id: i64 = key("id"),
        drink: i64 = key("drink_id"),
        user: i64 = key("user_id"),
    }

    /// A preference.
    Preference {
        id: i64 = key("PreferenceID"),
        name: String = text("Preference"),
        user: i64 = key("UserID_id"),
    }

    /// An item in stock.
    Item {
        id: i64 = key("InventoryID"),
        name: String = text("ItemName"),
        kind: String = text("ItemType"),
        quantity: i64 = integer("Quantity"),
        threshold: i64 = integer("ThresholdLevel"),
        updated: Option<DateTime<Utc>> = time("LastUpdated"),
    }

    /// An order.
    Order {
        id: i64 = key("OrderID"),
        status: String = text("OrderStatus"),
        payment: String = text("PaymentStatus"),
        pickup: Option<DateTime<Utc>> = time("PickupTime"),
        created: Option<DateTime<Utc>> = time("CreationTime"),
        locker: Option<String> = optional("LockerCombo"),
        stripe: String = text("StripeID"),
        user: Option<String> = optional("UserID_id"),
    }

    /// A drink of an order.
    OrderDrink {
        id: i64 = key("id"),
        order: i64 = key("order_id"),
        drink: i64 = key("drink_id"),
    }

    /// A sale.
    Revenue {
        id: i64 = key("RevenueID"),
        order: i64 = integer("OrderID"),
        amount: String = text("TotalAmount"),
        at: Option<DateTime<Utc>> = time("SaleDate"),
        refunded: bool = flag("Refunded"),
    }

    /// A notice.
    Notification {
        id: i64 = key("NotificationID"),
        message: String = text("Message"),
        at: Option<DateTime<Utc>> = time("Timestamp"),
        kind: String = text("Type"),
        global: bool = flag("Global"),
        user: i64 = key("UserID_id"),
    }
}

/// When a migration of the old database ran: the first of them tells one database from another.
pub(super) fn migration(mut fields: Fields) -> Result<(i64, String, String), Reason> {
    let applied = fields.time("applied")?.ok_or("applied makes no sense")?;
    Ok((applied.timestamp_micros(), fields.text("app")?, fields.text("name")?))
}

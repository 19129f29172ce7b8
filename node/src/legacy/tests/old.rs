//! Small databases of the old system, made from the facts about it, with the dirt that real ones have: as a dump, or in a
//! PostgreSQL database of their own.

use std::{collections::BTreeMap, io::Write as _};

use futures::SinkExt as _;
use uuid::Uuid;

use crate::legacy::{Source, table::Table};

/// The password of every account that has one.
pub(super) const PASSWORD: &str = "correct horse";

/// The token of user 3's phone.
pub(super) const TOKEN: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// The tables as the old system's framework makes them.
const SCHEMA: &str = r#"
CREATE TABLE django_migrations (id bigint, app varchar(255), name varchar(255), applied timestamptz);
CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128), last_login timestamptz, is_superuser boolean,
    username varchar(150) UNIQUE, first_name varchar(150), last_name varchar(150), email varchar(254), is_staff boolean,
    is_active boolean, date_joined timestamptz);
CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz, user_id integer UNIQUE);
CREATE TABLE backend_drink ("DrinkID" integer PRIMARY KEY, "Name" varchar(255), "SyrupsUsed" varchar(255)[],
    "SodaUsed" varchar(255)[], "AddIns" varchar(255)[], "Rating" double precision, "Price" double precision,
    "Size" varchar, "Ice" varchar, "User_Created" boolean);
CREATE TABLE "backend_drink_Favorite" (id bigint PRIMARY KEY, drink_id integer, user_id integer);
CREATE TABLE backend_preference ("PreferenceID" integer PRIMARY KEY, "Preference" varchar(100), "UserID_id" integer);
CREATE TABLE backend_inventory ("InventoryID" integer PRIMARY KEY, "ItemName" varchar(100), "ItemType" varchar(50),
    "Quantity" integer, "ThresholdLevel" integer, "LastUpdated" timestamptz);
CREATE TABLE backend_notification ("NotificationID" integer PRIMARY KEY, "Message" varchar(500),
    "Timestamp" timestamptz, "Type" varchar(50), "Global" boolean, "UserID_id" integer);
CREATE TABLE backend_order ("OrderID" integer PRIMARY KEY, "OrderStatus" varchar(50), "PaymentStatus" varchar(50),
    "PickupTime" timestamptz, "CreationTime" timestamptz, "LockerCombo" bigint, "StripeID" varchar, "UserID_id" integer);
CREATE TABLE "backend_order_Drinks" (id bigint PRIMARY KEY, order_id integer, drink_id integer);
CREATE TABLE backend_revenue ("RevenueID" integer PRIMARY KEY, "OrderID" integer, "TotalAmount" double precision,
    "SaleDate" timestamptz, "Refunded" boolean);
"#;

/// Rows of an old database, as `COPY` writes them.
#[derive(Clone, Default)]
pub(super) struct Old {
    rows: BTreeMap<Table, Vec<String>>,
}

impl Old {
    /// A database that was made at a time of its own, without rows.
    pub(super) fn born(minute: u32) -> Self {
        let mut old = Self::default();
        old.add(Table::Migrations, &["auth", "0001_initial", &format!("2024-01-02 03:{minute:02}:05.678901+00")]);
        old
    }

    /// A database with one of each kind of dirt.
    pub(super) fn sample(minute: u32) -> Self {
        let mut old = Self::born(minute);
        old.users();
        old.drinks();
        old.small_things();
        old.orders();
        old
    }

    pub(super) fn add(&mut self, table: Table, fields: &[&str]) {
        assert_eq!(fields.len(), table.columns().len(), "{table:?} {fields:?}");
        self.rows.entry(table).or_default().push(fields.join("\t"));
    }

    /// How many rows there are of a kind.
    pub(super) fn count(&self, table: Table) -> u64 {
        self.rows.get(&table).map_or(0, Vec::len) as u64
    }

    /// Drops the last rows of a kind: what the database was like some time ago.
    pub(super) fn before(mut self, table: Table, rows: usize) -> Self {
        let held = self.rows.get_mut(&table).unwrap();
        held.truncate(held.len() - rows);
        self
    }

    pub(super) fn user(&mut self, id: i64, password: &str, flags: [&str; 3], names: [&str; 3], joined: &str) {
        let [superuser, staff, active] = flags;
        let [username, first, email] = names;
        let id = id.to_string();
        self.add(Table::Users, &[&id, password, superuser, username, first, "", email, staff, active, joined]);
    }

    fn users(&mut self) {
        let hash = crate::accounts::old_hash(PASSWORD);
        let joined = "2024-05-06 07:08:09.123456+00";
        self.user(1, &hash, ["t", "t", "t"], ["super", "Lemon", "s@example.com"], joined);
        self.user(2, &hash, ["f", "t", "t"], ["staff", "Orlando", ""], "2024-05-06 01:08:09-06");
        self.user(3, &hash, ["f", "f", "t"], ["Ada", "李", ""], joined);
        self.user(4, &hash, ["f", "f", "t"], ["ada", "", ""], joined);
        self.user(5, &hash, ["f", "f", "t"], [" bob~x\\t", " Bob\\n", ""], joined);
        self.user(6, "!unusable", ["f", "f", "t"], ["unusable", "", ""], "infinity");
        self.user(7, "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA", ["f", "f", "t"], ["argon", "", ""], joined);
        self.user(8, &hash, ["f", "f", "f"], ["gone", "", ""], joined);
        self.user(150_000, &hash, ["f", "f", "t"], ["highnumber", "", ""], joined);
        self.add(Table::Tokens, &[TOKEN, "3"]);
        self.add(Table::Tokens, &["1111b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "8"]);
        self.add(Table::Tokens, &["not a token", "4"]);
        self.add(Table::Tokens, &["2222b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "99"]);
    }

    fn drinks(&mut self) {
        let mut drink = |id: &str, rest: [&str; 9]| {
            let fields: Vec<&str> = std::iter::once(id).chain(rest).collect();
            self.add(Table::Drinks, &fields);
        };
        drink("1", ["Coke Float", "{Vanilla}", "{Coke}", "{Cream}", "\\N", "5.99", "m", "normal", "f"]);
        drink("2", ["Mine “☕”", "\\N", "{pepsi,\"mtn. dew\"}", "\\N", "2.7", "4.35", "32oz", "extra", "t"]);
        drink("3", ["Everybody's", "{}", "{sprite}", "{}", "\\N", "2", "16OZ", "No Ice", "t"]);
        drink("4", ["Cart", "{}", "{sprite}", "{}", "\\N", "2", "24oz", "regular", "t"]);
        drink("5", [" Cheap ", "{mango}", "{\"dr. pepper\"}", "{}", "\\N", "-1", "Regular", "?", "t"]);
        drink("6", ["No soda", "{mango}", "{}", "{}", "\\N", "2", "24oz", "none", "t"]);
        self.add(Table::Favorites, &["1", "1", "3"]);
        self.add(Table::Favorites, &["2", "2", "3"]);
        self.add(Table::Favorites, &["3", "6", "3"]);
        self.add(Table::Favorites, &["4", "2", "99"]);
    }

    fn small_things(&mut self) {
        for (id, name, user) in [
            ("1", "mango", "3"),
            ("2", "pumpkin_spice", "3"),
            ("3", "Mango ", "3"),
            ("4", "sawdust", "3"),
            ("5", "mango", "99"),
        ] {
            self.add(Table::Preferences, &[id, name, user]);
        }
        let updated = "2024-06-01 00:00:00+00";
        for (id, name, kind, quantity) in [
            ("1", "Coke", "Soda", "40"),
            ("2", " coke", "Soda", "2"),
            ("3", "Straws", "Physical Item", "50"),
            ("4", "Vanilla", "Syrup", "0"),
            ("5", "Thing", "Gadget", "1"),
        ] {
            self.add(Table::Inventory, &[id, name, kind, quantity, "10", updated]);
        }
        self.add(Table::Notifications, &["1", "Your drink is ready 🥤", updated, "order", "f", "3"]);
        self.add(Table::Notifications, &["2", "New menu", updated, "promo", "t", "1"]);
        self.add(Table::Notifications, &["3", "Lost", updated, "order", "f", "99"]);
    }

    fn orders(&mut self) {
        let at = "2024-06-02 10:00:00+00";
        let later = "2024-06-02 12:00:00.5+02";
        self.add(Table::Orders, &["1", "completed", "paid", later, at, "42", "pi_1_secret_x", "3"]);
        self.add(Table::Orders, &["2", "cancelled", "paid", "\\N", at, "934569", "pi_2_secret_x", "\\N"]);
        self.add(Table::Orders, &["3", "Completed ", "weird", "\\N", at, "\\N", "", "4"]);
        self.add(Table::Orders, &["4", "lost", "remade", "\\N", at, "\\N", "", "99"]);
        for (id, order, drink) in [
            ("1", "1", "2"),
            ("2", "1", "3"),
            ("3", "2", "5"),
            ("4", "3", "3"),
            ("5", "3", "6"),
            ("6", "9", "1"),
            ("7", "4", "77"),
        ] {
            self.add(Table::OrderDrinks, &[id, order, drink]);
        }
        for (id, order, amount, refunded) in [
            ("1", "1", "4.35", "f"),
            ("2", "1", "4.35", "f"),
            ("3", "2", "5.920000000000001", "t"),
            ("4", "999999", "3.5", "f"),
            ("5", "3", "NaN", "f"),
        ] {
            self.add(Table::Revenue, &[id, order, amount, at, refunded]);
        }
    }

    /// A database `factor` times as large as the largest known, with the same kinds of dirt. Tells the cents of its sales.
    pub(super) fn grown(factor: i64) -> (Self, i64) {
        let mut old = Self::born(59);
        let mut cents = 0;
        for n in 1..=64 * factor {
            let name = [format!("cust{n}"), format!("Cust{}", n - 1), format!(" c~{n} ")][(n % 3) as usize].clone();
            let active = if n % 17 == 0 { "f" } else { "t" };
            old.user(n, "!", ["f", "f", active], [&name, "Noé", ""], "2024-05-06 07:08:09.1+00");
            if n % 2 == 0 {
                old.add(Table::Tokens, &[&format!("{n:040x}"), &n.to_string()]);
            }
        }
        for n in 1..=66 * factor {
            let price = [format!("{}.{:02}", n % 9, n % 100), "-1".to_owned()][usize::from(n % 40 == 0)].clone();
            let (size, ice) =
                (["m", "16oz", "24OZ"][(n % 3) as usize], ["normal", "No Ice", "extra"][(n % 3) as usize]);
            let made = if n % 11 == 0 { "f" } else { "t" };
            let name = format!("Custom {n} ☕");
            old.add(
                Table::Drinks,
                &[&n.to_string(), &name, "{vanilla}", "{coke}", "\\N", "\\N", &price, size, ice, made],
            );
        }
        for n in 1..=196 * factor {
            let (drink, user) = (n % (66 * factor) + 1, n % (64 * factor) + 1);
            old.add(Table::Favorites, &[&n.to_string(), &drink.to_string(), &user.to_string()]);
        }
        for n in 1..=300 * factor {
            let (id, user) = (n.to_string(), (n % (70 * factor) + 1).to_string());
            let status = ["completed", "cancelled", "Completed", "odd"][(n % 4) as usize];
            let user = if n % 5 == 0 { "\\N" } else { &user };
            let at = "2024-06-02 10:00:00+00";
            old.add(Table::Orders, &[&id, status, "paid", "\\N", at, &id, &format!("pi_{n}_secret_y"), user]);
            for place in 0..2 + n % 2 {
                let row = (n * 4 + place).to_string();
                old.add(Table::OrderDrinks, &[&row, &id, &((n + place) % (68 * factor) + 1).to_string()]);
            }
            if n % 2 == 0 {
                cents += 199 + n;
                let amount = format!("{}.{:02}", (199 + n) / 100, (199 + n) % 100);
                let order = if n % 30 == 0 { "999999" } else { &id };
                old.add(Table::Revenue, &[&id, order, &amount, at, if n % 6 == 0 { "t" } else { "f" }]);
            }
        }
        (old, cents)
    }

    /// As `pg_dump` writes it.
    pub(super) fn dump(&self) -> String {
        let mut text = String::from("SET client_encoding = 'UTF8';\n\n");
        for table in Table::ALL {
            let columns: Vec<String> = table.columns().iter().map(|column| format!("\"{column}\"")).collect();
            text.push_str(&format!("COPY public.\"{}\" ({}) FROM stdin;\n", table.name(), columns.join(", ")));
            for row in self.rows.get(&table).into_iter().flatten() {
                text.push_str(row);
                text.push('\n');
            }
            text.push_str("\\.\n\n");
        }
        text.push_str("--\n-- PostgreSQL database dump complete\n--\n");
        text
    }

    /// As a file.
    pub(super) fn file(&self) -> DumpFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(self.dump().as_bytes()).unwrap();
        DumpFile(file)
    }

    /// As a PostgreSQL database.
    pub(super) async fn postgres(&self) -> Scratch {
        let scratch = Scratch::create().await;
        let client = crate::storage::connect(&scratch.url).await.unwrap();
        client.batch_execute(SCHEMA).await.unwrap();
        for (table, rows) in &self.rows {
            let columns: Vec<String> = table.columns().iter().map(|column| format!("\"{column}\"")).collect();
            let sql = format!("COPY \"{}\" ({}) FROM STDIN", table.name(), columns.join(", "));
            let sink = client.copy_in(&sql).await.unwrap();
            futures::pin_mut!(sink);
            sink.send(bytes::Bytes::from(rows.join("\n") + "\n")).await.unwrap();
            sink.close().await.unwrap();
        }
        scratch
    }
}

/// A dump in a file that is removed at the end.
pub(super) struct DumpFile(tempfile::NamedTempFile);

impl DumpFile {
    pub(super) fn source(&self) -> Source {
        Source::Dump(self.0.path().to_owned())
    }
}

/// A database that is dropped at the end.
pub(super) struct Scratch {
    pub(super) url: String,
    admin: String,
    name: String,
}

impl Scratch {
    async fn create() -> Self {
        let admin =
            std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL names the PostgreSQL server for tests");
        let name = format!("old_{}", Uuid::now_v7().simple());
        let client = crate::storage::connect(&admin).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (server, _) = admin.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), admin, name }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (admin, sql) = (self.admin.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let client = crate::storage::connect(&admin).await.unwrap();
                client.batch_execute(&sql).await.unwrap();
            });
        });
        done.join().unwrap();
    }
}

//! An old database of a busy store, made for the measurement, and how fast it is brought over.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use crate::harness::Builder;

/// Rows of the old database by table; orders have one drink and one sale each.
const USERS: usize = 1_000;
const DRINKS: usize = 2_000;
const ORDERS: usize = 4_000;

/// Rows that are read: those, and the orders' drinks and sales.
pub const ROWS: usize = USERS + DRINKS + 3 * ORDERS;

/// Imports into a store that was just set up.
///
/// # Panics
/// The import fails, or loses money.
pub async fn import(builder: Builder) -> Duration {
    let mesh = builder.make().await;
    let dump = mesh.root().join("old.sql");
    fs::write(&dump, old_database()).unwrap();
    let start = Instant::now();
    let done = mesh.nodes[1].try_command("import-legacy", &["--dump", dump.to_str().unwrap()]);
    let took = start.elapsed();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    took
}

fn old_database() -> String {
    let mut text = String::from("SET client_encoding = 'UTF8';\n\n");
    let time = "2024-05-06 07:08:09.123456+00";
    let hash = "pbkdf2_sha256$1000$oldsalt$OxawnbnwtculWIk/Az3UJ8Sim5QrQwLSqK5d+5cR2y8=";
    copy(&mut text, "django_migrations (app, name, applied)", 1, |_| format!("auth\t0001_initial\t{time}"));
    let users = "auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, \
                 is_active, date_joined)";
    copy(&mut text, users, USERS, |n| format!("{n}\t{hash}\t\\N\tf\tuser{n}\tUser\t\t\tf\tt\t{time}"));
    let drinks = "backend_drink (\"DrinkID\", \"Name\", \"SyrupsUsed\", \"SodaUsed\", \"AddIns\", \"Rating\", \"Price\", \
                  \"Size\", \"Ice\", \"User_Created\")";
    copy(&mut text, drinks, DRINKS, |n| {
        format!("{n}\tDrink {n}\t{{mango,peach}}\t{{sprite}}\t{{}}\t\\N\t2.6\t24oz\tregular\tt")
    });
    let orders = "backend_order (\"OrderID\", \"OrderStatus\", \"PaymentStatus\", \"PickupTime\", \"CreationTime\", \
                  \"LockerCombo\", \"StripeID\", \"UserID_id\")";
    copy(&mut text, orders, ORDERS, |n| {
        format!("{n}\tcompleted\tpaid\t\\N\t{time}\t{n}\tpi_{n}_secret_x\t{}", 1 + n % USERS)
    });
    copy(&mut text, "\"backend_order_Drinks\" (id, order_id, drink_id)", ORDERS, |n| {
        format!("{n}\t{n}\t{}", 1 + n % DRINKS)
    });
    let revenue = "backend_revenue (\"RevenueID\", \"OrderID\", \"TotalAmount\", \"SaleDate\", \"Refunded\")";
    copy(&mut text, revenue, ORDERS, |n| format!("{n}\t{n}\t2.6\t{time}\tf"));
    for empty in [
        "authtoken_token (key, created, user_id)",
        "\"backend_drink_Favorite\" (id, drink_id, user_id)",
        "backend_preference (\"PreferenceID\", \"Preference\", \"UserID_id\")",
        "backend_inventory (\"InventoryID\", \"ItemName\", \"ItemType\", \"Quantity\", \"ThresholdLevel\", \"LastUpdated\")",
        "backend_notification (\"NotificationID\", \"Message\", \"Timestamp\", \"Type\", \"Global\", \"UserID_id\")",
    ] {
        copy(&mut text, empty, 0, |_| String::new());
    }
    text + "--\n-- PostgreSQL database dump complete\n--\n"
}

fn copy(text: &mut String, table: &str, rows: usize, row: impl Fn(usize) -> String) {
    let _ = writeln!(text, "COPY public.{table} FROM stdin;");
    for number in 1..=rows {
        let _ = writeln!(text, "{}", row(number));
    }
    text.push_str("\\.\n\n");
}

//! Test data: what the command makes is a chain that runs, with the people, the goods and the money that it says.

use std::{collections::BTreeMap, fs, time::Duration};

use codepop_tests::harness::{Seeded, check, eventually, programs};
use reqwest::Method;
use serde_json::{Value, json};

/// The row of a node in the summary: its columns from the left, without the name.
fn row(summary: &str, code: &str) -> Vec<String> {
    let line = summary.lines().find(|line| line.split_whitespace().next() == Some(code));
    line.unwrap().split_whitespace().map(str::to_owned).collect()
}

fn digest(summary: &str) -> String {
    summary.lines().find_map(|line| line.strip_prefix("digest")).unwrap().trim().to_owned()
}

/// An amount as text, in cents.
fn cents(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

/// Number and total of the completed orders of a user of whose money nothing was given back.
fn own_orders(chain: &Seeded, orders: &[BTreeMap<String, String>], user: &str) -> Vec<(String, i64)> {
    let revenue = chain.table("revenue.csv");
    let is_back = |order: &str| revenue.iter().any(|row| row["order_id"] == order && row["is_refund"] == "true");
    let own = orders.iter().filter(|row| row["user_id"] == user && row["status"] == "completed");
    own.filter(|row| !is_back(&row["order_id"])).map(|row| (row["order_id"].clone(), cents(&row["total"]))).collect()
}

fn in_cents(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 100.0).round() as i64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seeded_demo_serves_its_people() {
    let mut chain = Seeded::make("demo", &["--days", "10"]);
    for program in ["hub-c", "logan-001", "gateway"] {
        chain.start(program).await;
    }
    // The store's revenue, as its manager sees it, is to the cent what the summary says, and what the table adds up to.
    let manager = chain.log_in("manager_001", Some("logan-001")).await;
    let totals = chain.get("/backend/revenues/totals/", &manager, "logan-001").await.expect(200);
    let said = row(&chain.summary, "LOGAN-001");
    assert_eq!(in_cents(&totals["net_amount"]), cents(said.last().unwrap()), "{totals} {said:?}");
    let table = chain.table("revenue.csv");
    let own = table.iter().filter(|row| row["store_number"] == "LOGAN-001");
    assert_eq!(own.map(|row| cents(&row["amount"])).sum::<i64>(), in_cents(&totals["net_amount"]));
    assert!(in_cents(&totals["refunds_amount"]) > 0, "{totals}");

    // So is the stock, item by item.
    let listed = chain.get("/backend/inventory/", &manager, "logan-001").await.expect(200);
    let listed = listed.as_array().unwrap();
    let table = chain.table("inventory.csv");
    let there = table.iter().filter(|row| row["store_number"] == "LOGAN-001" && row["quantity"] != "0");
    assert_eq!(listed.len(), there.count());
    for item in listed {
        let number = item["InventoryID"].to_string();
        let row = table.iter().find(|row| row["item_id"] == number).unwrap();
        assert_eq!(row["quantity"], item["Quantity"].to_string(), "{item}");
    }

    // A known customer finds the own orders, and drinks of the menu among the favourites.
    let customer = chain.log_in("user1", Some("logan-001")).await;
    let users = chain.table("users.csv");
    let number = &users.iter().find(|row| row["username"] == "user1").unwrap()["user_id"];
    let orders = chain.get(&format!("/backend/users/{number}/orders/"), &customer, "logan-001").await.expect(200);
    let table = chain.table("orders.csv");
    let own = table.iter().filter(|row| row["user_id"] == *number).count();
    assert!(own > 0 && orders.as_array().unwrap().len() == own, "{own} {orders}");
    let liked = chain.get(&format!("/backend/users/{number}/favorites/"), &customer, "logan-001").await.expect(200);
    assert!(!liked.as_array().unwrap().is_empty());

    // Regional people and the super admin are at home at the hub; what they may holds at the store.
    for name in ["logistics_c", "repair_c", "superadmin", "general_user", "admin_001"] {
        chain.log_in(name, Some("logan-001")).await;
    }
    let superadmin = chain.log_in("superadmin", None).await;
    looks(&chain, &superadmin).await;
    assert_eq!(chain.get("/backend/revenues/totals/", &customer, "logan-001").await.status, 403);

    // An order of the past is an order like any other: its money can be given back.
    let kept = own_orders(&chain, &table, number);
    let (order, total) = kept.iter().find(|(_, total)| *total > 0).unwrap();
    let path = format!("/backend/orders/{order}/refund/");
    let body = Some(json!({"reason": "It was warm."}));
    chain.ask((Method::POST, &path), (Some(&manager), Some("logan-001")), body).await.expect(200);
    eventually(Duration::from_secs(20), "the refund is in the revenue", async || {
        let now = chain.get("/backend/revenues/totals/", &manager, "logan-001").await.expect(200);
        let wanted = in_cents(&totals["net_amount"]) - total;
        check(in_cents(&now["net_amount"]) == wanted, || format!("{now}, not {wanted}"))
    })
    .await;

    // Nothing is removed under a running node.
    let refused = chain.again(&["--clear"]);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && line.contains("in use by another process"), "{line}");
    chain.stop("logan-001").await;
    chain.start("logan-001").await;
    looks(&chain, &superadmin).await;
}

/// A role for the chain holds at the store as soon as the store has heard of a hub since its start.
async fn looks(chain: &Seeded, superadmin: &str) {
    eventually(Duration::from_secs(20), "the store has heard of its hub", async || {
        let answer = chain.get("/backend/revenues/totals/", superadmin, "logan-001").await;
        let waits = answer.status == 403 && answer.json["code"] == "hub_needed";
        assert!(waits || answer.status == 200, "{answer:?}");
        check(!waits, || format!("{answer:?}"))
    })
    .await;
}

#[test]
fn the_same_is_made_again_and_nobody_elses_is_touched() {
    let chain = Seeded::make("demo", &["--days", "5", "--seed", "7", "--until", "2026-10-31"]);
    let same = ["--profile", "demo", "--days", "5", "--seed", "7", "--until", "2026-10-31"];
    let marker = chain.dir().join(".codepop-seed.json");
    let before = fs::read(chain.dir().join("logan-001/node.db")).unwrap();

    let repeated = chain.again(&same);
    let said = String::from_utf8(repeated.stdout).unwrap();
    assert!(repeated.status.success() && said.contains("nothing was changed"), "{said}");
    assert_eq!(digest(&said), digest(&chain.summary));
    assert!(fs::read(chain.dir().join("logan-001/node.db")).unwrap() == before, "the database was changed");

    let other = Seeded::make("demo", &same[2..]);
    assert_eq!(digest(&other.summary), digest(&chain.summary));
    assert_ne!(other.password(), chain.password());
    assert_eq!(row(&other.summary, "all"), row(&chain.summary, "all"));
    for table in ["orders.csv", "revenue.csv", "inventory.csv", "users.csv", "stores.csv"] {
        assert_eq!(other.table(table), chain.table(table), "{table}");
    }

    let differs = chain.again(&["--profile", "demo", "--days", "5", "--seed", "8"]);
    let line = String::from_utf8(differs.stderr).unwrap();
    assert!(!differs.status.success() && line.contains("--clear makes it anew"), "{line}");

    fs::write(chain.dir().join("mine.txt"), "mine").unwrap();
    assert!(chain.again(&["--clear"]).status.success());
    let left: Vec<_> = fs::read_dir(chain.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine.txt"]);
    assert!(!marker.exists());
    let foreign = chain.again(&same);
    let line = String::from_utf8(foreign.stderr).unwrap();
    assert!(!foreign.status.success() && line.contains("name another folder"), "{line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    assert_eq!(fs::read_dir(chain.dir()).unwrap().count(), 1, "something was written");
}

#[test]
fn a_day_that_is_not_over_has_no_orders() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["seed", "--profile", "demo", "--dir", "chain", "--until", "2999-01-01"];
    let refused = programs::try_run("codepop-node", dir.path(), &args, &[]);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && line.contains("--until is \"2999-01-01\""), "{line}");
    assert!(!dir.path().join("chain").exists(), "a refused run leaves nothing");
}

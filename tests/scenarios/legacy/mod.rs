//! Coming from the old system, with real processes: its database is brought into one store of a chain, and its customers go
//! on as if nothing had happened, whichever store the gateway stands at.

use std::{path::PathBuf, process::Command};

use codepop_tests::harness::{Backend, Builder, Gateway, Mesh, Phone, SETTLE_TIMEOUT, SPREAD, check, eventually, sql};
use reqwest::Method;
use serde_json::{Value, json};

/// A small database of the old system, with its kinds of dirt.
const SMALL: &str = include_str!("small.sql");

/// The password of everybody in it.
const PASSWORD: &str = "correct horse";

/// The token of user 3's phone.
const TOKEN: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

/// Imports a dump into node 1 and says what the command printed.
fn import(mesh: &Mesh, dump: &str) -> String {
    let done = mesh.nodes[1].try_command("import-legacy", &["--dump", dump]);
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// The columns read, imported, before, changed, skipped of the closing table, added up.
fn sums(report: &str) -> [u64; 5] {
    let mut sums = [0; 5];
    for line in report.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(last) = words.len().checked_sub(5) else { continue };
        let figures: Vec<u64> = words[last..].iter().filter_map(|word| word.parse().ok()).collect();
        if figures.len() == 5 && last > 0 {
            (0..5).for_each(|column| sums[column] += figures[column]);
        }
    }
    sums
}

/// A chain whose first store has an old database, running; gateways at the first and at the other store; the admin.
struct Moved {
    here: Gateway,
    elsewhere: Gateway,
    admin: String,
    dump: String,
    /// Last, because its folder goes with it.
    mesh: Mesh,
}

impl Moved {
    async fn of(backend: Backend, dump: Option<PathBuf>) -> Self {
        let mut mesh = Builder::with(2).on(backend).make().await;
        let dump = dump.unwrap_or_else(|| {
            let path = mesh.root().join("old.sql");
            std::fs::write(&path, SMALL).unwrap();
            path
        });
        let dump = dump.to_str().unwrap().to_owned();
        let report = import(&mesh, &dump);
        assert!(!report.contains("IS NOT") && sums(&report)[1] > 0, "{report}");
        for node in 0..3 {
            mesh.start(node).await;
        }
        mesh.settled().await;
        let (here, elsewhere) = (mesh.gateway(&[1, 2, 0]).await, mesh.gateway(&[2, 1, 0]).await);
        let admin = mesh.super_admin(&here).await;
        mesh.settled().await;
        Self { mesh, dump, here, elsewhere, admin }
    }
}

/// What each node keeps of a user's password; only on PostgreSQL can it be looked at from here.
async fn hashes(mesh: &Mesh, user: i64) -> Vec<String> {
    let mut hashes = Vec::new();
    for url in mesh.nodes.iter().filter_map(codepop_tests::harness::Node::database_url) {
        hashes.extend(sql(&url, &format!("SELECT password_hash FROM credentials WHERE user_id = {user}")).await);
    }
    hashes
}

on_both!(
    /// The old password is good at the other store; the old hash is replaced then, everywhere.
    old_passwords_are_good_at_every_store,
    async |backend: Backend| {
        let moved = Moved::of(backend, None).await;
        let on_postgres = if backend == Backend::Postgres { 3 } else { 0 };
        let before = hashes(&moved.mesh, 3).await;
        assert_eq!(before.iter().filter(|hash| hash.starts_with("pbkdf2_sha256$")).count(), on_postgres, "{before:?}");
        let phone = Phone::new(moved.elsewhere.address());
        assert_eq!(phone.log_in("Ada", "wrong horse").await.status, 401);
        let answer = phone.log_in("Ada", PASSWORD).await.expect(200);
        assert_eq!((&answer["user_id"], &answer["is_manager"]), (&json!(3), &json!(false)));
        assert_eq!(phone.log_in("gone", PASSWORD).await.status, 401, "a disabled account stays out");
        assert_eq!(phone.log_in("ada~4", PASSWORD).await.expect(200)["user_id"], 4, "a claim to the same name");
        eventually(SETTLE_TIMEOUT, "the new hash is everywhere", async || {
            let after = hashes(&moved.mesh, 3).await;
            check(after.iter().filter(|hash| hash.starts_with("$argon2id$")).count() == on_postgres, || {
                format!("{after:?}")
            })
        })
        .await;
        Phone::new(moved.here.address()).log_in("Ada", PASSWORD).await.expect(200);
    }
);

on_both!(
    /// A phone that was logged in goes on, also where the gateway stands at another store, until it logs out.
    a_phone_that_was_logged_in_goes_on,
    async |backend: Backend| {
        let moved = Moved::of(backend, None).await;
        let phone = Phone::new(moved.elsewhere.address());
        phone.was_logged_in(TOKEN, 3);
        let likes = phone.call(Method::GET, "/backend/preferences/", true, None).await.expect(200);
        let mut likes: Vec<&str> =
            likes.as_array().unwrap().iter().map(|like| like["Preference"].as_str().unwrap()).collect();
        likes.sort_unstable();
        assert_eq!(likes, ["mango", "pumpkin spice"]);
        assert!(phone.cookie("codepop_session").is_some());

        // No token from here on: the cookie says who asks, and the number which store has it.
        let order = phone.get("/backend/orders/1/").await.expect(200);
        assert_eq!((&order["UserID"], &order["Drinks"]), (&json!(3), &json!([2, 3])));
        assert_eq!((&order["OrderStatus"], &order["store_id"]), (
            &json!("completed"),
            &json!(moved.mesh.nodes[1].id.uuid.to_string())
        ));
        for (drink, price) in [(1, 5.99), (2, 4.35), (3, 2.0)] {
            assert_eq!(phone.get(&format!("/backend/drinks/{drink}/")).await.expect(200)["Price"], price);
        }
        let stranger = Phone::new(moved.elsewhere.address());
        stranger.design("Sprite", &[], &[]).await;
        for path in ["/backend/orders/1/", "/backend/drinks/2/"] {
            assert_eq!(stranger.get(path).await.status, 404, "{path}");
        }
        assert_eq!(phone.get("/backend/orders/3/").await.status, 404, "it is another's");

        // The old drink is bought again, from the stock that came along.
        moved.mesh.open_always(&moved.here, &moved.admin, 1).await;
        phone.set_cookie("X-CodePop-Store", &moved.mesh.nodes[1].id.uuid.to_string());
        let bought = phone.buy(&[json!(2)]).await.expect(201);
        assert_eq!((&bought["TotalAmount"], &bought["UserID"]), (&json!(4.35), &json!(3)));
        assert!(bought["OrderID"].as_i64().unwrap() >= 100_000, "new numbers are the store's: {bought}");
        assert_eq!(moved.mesh.stock(&moved.here, &moved.admin, "Pepsi").await, 41);

        phone.log_out().await.expect(200);
        assert_eq!(phone.cookie("codepop_session"), None);
        for gateway in [&moved.here, &moved.elsewhere] {
            eventually(SPREAD, "the token has ended everywhere", async || {
                let answer = gateway.get("/backend/preferences/", Some(TOKEN)).await;
                check(answer.status == 401, || format!("{}: {}", answer.status, answer.json))
            })
            .await;
        }
    }
);

fn amounts(entries: &Value) -> Vec<String> {
    entries.as_array().unwrap().iter().map(|entry| format!("{:.2}", entry["TotalAmount"].as_f64().unwrap())).collect()
}

on_both!(
    /// A manager's books add up to the cent; orders, sales and stock are at that store alone.
    what_belongs_to_the_store_stays_there,
    async |backend: Backend| {
        let moved = Moved::of(backend, None).await;
        let manager = Phone::new(moved.here.address());
        let answer = manager.log_in("olivia", PASSWORD).await.expect(200);
        assert_eq!((&answer["is_manager"], &answer["is_admin"]), (&json!(true), &json!(false)));
        let mut sales = amounts(&manager.get("/backend/revenues/").await.expect(200));
        sales.sort_unstable();
        assert_eq!(sales, ["0.10", "0.30", "2.00", "6.35"]);
        let totals = manager.get("/backend/revenues/totals/").await.expect(200);
        assert_eq!((&totals["sales"], &totals["net_amount"]), (&json!(4), &json!(8.75)), "{totals}");
        assert_eq!(manager.get("/backend/orders/").await.expect(200).as_array().unwrap().len(), 3);
        assert_eq!(moved.mesh.stock(&moved.here, &moved.admin, "Pepsi").await, 42);

        // There, not even the chain's admin finds any of it, and the manager is nobody.
        for path in ["/backend/revenues/", "/backend/orders/", "/backend/inventory/"] {
            assert_eq!(moved.elsewhere.get(path, Some(&moved.admin)).await.expect(200), json!([]), "{path}");
        }
        let visiting = Phone::new(moved.elsewhere.address());
        visiting.log_in("olivia", PASSWORD).await.expect(200);
        visiting.set_cookie("X-CodePop-Store", &moved.mesh.nodes[2].id.uuid.to_string());
        assert_eq!(visiting.get("/backend/revenues/").await.status, 403);
        for url in moved.mesh.nodes.iter().filter(|node| node.id != moved.mesh.nodes[1].id).filter_map(|n| n.database_url())
        {
            for table in ["orders", "revenue_entries", "inventory_items", "stock_movements", "notices"] {
                assert_eq!(sql(&url, &format!("SELECT count(*)::text FROM {table}")).await, ["0"], "{table}");
            }
        }
    }
);

on_both!(
    /// While the node runs the command refuses; a second run brings nothing new.
    the_command_can_be_run_again,
    async |backend: Backend| {
        let mut moved = Moved::of(backend, None).await;
        let refused = moved.mesh.nodes[1].try_command("import-legacy", &["--dump", &moved.dump]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("must be stopped"), "{said}");
        let counted = moved.mesh.digests(1).await;
        moved.mesh.stop(1).await;
        let report = import(&moved.mesh, &moved.dump);
        let [read, imported, before, _, skipped] = sums(&report);
        assert_eq!((imported, read), (0, before + skipped), "{report}");
        moved.mesh.start(1).await;
        moved.mesh.settled().await;
        assert_eq!(moved.mesh.digests(1).await, counted);
        let totals = moved.here.get("/backend/revenues/totals/", Some(&moved.admin)).await.expect(200);
        assert_eq!((&totals["sales"], &totals["net_amount"]), (&json!(4), &json!(8.75)), "{totals}");
    }
);

/// The largest known dump, if it is at hand.
fn known_dump() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/legacy/codepop-legacy-dump.sql.gz"));
    let path = std::env::var_os("CODEPOP_LEGACY_DUMP").map_or(beside, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("The known dump is not at hand ({}); set CODEPOP_LEGACY_DUMP to try it.", path.display());
    None
}

/// The first token in a dump, and whose it is.
fn first_token(dump: &str) -> (String, i64) {
    let text = Command::new("gzip").args(["-dc", dump]).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("COPY public.authtoken_token ")).skip(1);
    let row: Vec<&str> = lines.next().unwrap().split('\t').collect();
    (row[0].to_owned(), row.last().unwrap().parse().unwrap())
}

on_both!(
    /// The known dump: its sales to the cent, its orders, and a phone of it, through both gateways.
    the_known_database_goes_on,
    async |backend: Backend| {
        let Some(dump) = known_dump() else { return };
        let moved = Moved::of(backend, Some(dump)).await;
        let sales = moved.here.get("/backend/revenues/", Some(&moved.admin)).await.expect(200);
        assert_eq!(sales.as_array().unwrap().len(), 164);
        let totals = moved.here.get("/backend/revenues/totals/", Some(&moved.admin)).await.expect(200);
        assert_eq!(totals["net_amount"], 2232.87, "{totals}");
        let orders = moved.here.get("/backend/orders/", Some(&moved.admin)).await.expect(200);
        assert_eq!(orders.as_array().unwrap().len(), 300);
        let (token, user) = first_token(&moved.dump);
        let phone = Phone::new(moved.elsewhere.address());
        phone.was_logged_in(&token, user);
        phone.call(Method::GET, "/backend/preferences/", true, None).await.expect(200);
        let own = orders.as_array().unwrap().iter().find(|order| order["UserID"] == user);
        if let Some(order) = own {
            let found = phone.get(&format!("/backend/orders/{}/", order["OrderID"])).await.expect(200);
            assert_eq!(found["UserID"], user);
        }
    }
);

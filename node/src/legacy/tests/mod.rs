//! Imports of whole databases, on both databases of the node.

mod again;
mod known;
mod old;
mod sessions;

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use self::old::Old;
use super::*;
use crate::{
    inventory, on, on_both,
    orders::{Order, Status},
    storage::schema::{counters, notices, orders, revenue_entries, stock_movements, user_drinks, users},
    stores,
    testing::Node,
};

/// What became of rows: read, imported, before, changed, skipped.
type Counts = (u64, u64, u64, u64, u64);

fn counts(report: &Report) -> Vec<Counts> {
    let tallies = Entity::ALL.into_iter().map(|entity| report.tally(entity));
    tallies.map(|t| (t.read, t.imported, t.before, t.changed, t.skipped)).collect()
}

async fn run(node: &Node, source: Source, options: Options) -> Report {
    let report = import(&node.db, source, options, Progress::silent()).await.unwrap();
    assert_eq!(report.faults(), Vec::<String>::new(), "{report}");
    report
}

/// Reads with one query, written in diesel.
macro_rules! ask {
    ($node:expr, $conn:ident => $query:expr) => {
        $node
            .db
            .read(|tx| Box::pin(async move { Ok::<_, storage::Error>(on!(tx, $conn => $query)?) }))
            .await
            .unwrap()
    };
}
pub(crate) use ask;

/// What the sample must come to.
fn sample_counts() -> Vec<Counts> {
    vec![
        (9, 9, 0, 5, 0),
        (4, 1, 0, 0, 3),
        (6, 4, 0, 4, 2),
        (4, 2, 0, 0, 2),
        (5, 2, 0, 1, 3),
        (5, 3, 0, 1, 2),
        (4, 4, 0, 4, 0),
        (7, 4, 0, 0, 3),
        (5, 4, 0, 1, 1),
        (3, 2, 0, 0, 1),
    ]
}

async fn order(node: &Node, id: i64) -> Order {
    ask!(node, conn => orders::table.find(id).select(Order::as_select()).first(conn).await)
}

on_both!(every_row_of_a_dump_is_accounted_for, async |node: Node| {
    let report = run(&node, Old::sample(1).file().source(), Options::default()).await;
    assert_eq!(counts(&report), sample_counts(), "{report}");
    assert_eq!((report.totals[0].source, report.totals[0].here), (1_812, 1_812));
    assert_eq!(report.totals[1].here, 592);
    let shown = report.to_string();
    for reason in ["abandoned cart (--", "added to the first row", "cannot be checked here", "(4)", "18.12"] {
        let reason = reason.trim_end_matches(" (--");
        assert!(shown.contains(reason), "{reason}: {shown}");
    }

    let one = order(&node, 1).await;
    assert_eq!((one.user_id, one.status, one.payment_intent.as_str()), (Some(3), Status::Completed, "pi_1"));
    assert_eq!((one.locker_code.as_str(), one.total_cents, one.due_at), ("00042", 435, None));
    assert_eq!(one.pickup_time.unwrap().0.to_rfc3339(), "2024-06-02T10:00:00.500+00:00");
    let expected = [(2, None, Status::Cancelled), (3, Some(4), Status::Completed), (4, None, Status::Expired)];
    for (id, user, status) in expected {
        let order = order(&node, id).await;
        assert_eq!((order.user_id, order.status), (user, status), "{id}");
    }
    let owners: Vec<(i64, i64, i64)> = ask!(node, conn => user_drinks::table
        .order(user_drinks::id)
        .select((user_drinks::id, user_drinks::owner, user_drinks::price_cents))
        .load(conn)
        .await);
    assert_eq!(owners, [(1, 0, 599), (2, 3, 435), (3, 0, 200), (5, 0, 230)]);
    let stock = node.db.read(|tx| Box::pin(inventory::report(tx))).await.unwrap();
    let stock: Vec<_> = stock.iter().map(|item| (item.id, item.item_type.word(), item.quantity)).collect();
    assert!(stock.contains(&(1, "Soda", 42)) && stock.contains(&(3, "Physical", 50)), "{stock:?}");
    let moved: Vec<(i64, i32, String)> = ask!(node, conn => stock_movements::table
        .order(stock_movements::item_id)
        .select((stock_movements::item_id, stock_movements::change, stock_movements::reason))
        .load(conn)
        .await);
    assert_eq!(moved, [(1, 42, "imported".to_owned()), (3, 50, "imported".to_owned())]);
    let sold: Vec<(i64, Option<i64>, i64, bool)> = ask!(node, conn => revenue_entries::table
        .order(revenue_entries::id)
        .select((
            revenue_entries::id,
            revenue_entries::order_id,
            revenue_entries::amount_cents,
            revenue_entries::refunded,
        ))
        .load(conn)
        .await);
    assert_eq!(
        sold,
        [(1, Some(1), 435, false), (2, Some(1), 435, false), (3, Some(2), 592, true), (4, None, 350, false)]
    );
    let told: Vec<(i64, Option<i64>)> = ask!(node, conn => notices::table
        .order(notices::id)
        .select((notices::id, notices::user_id))
        .load(conn)
        .await);
    assert_eq!(told, [(1, Some(3)), (2, None)]);
    // Nothing of it counted anything up but the account whose number was too high.
    let counted: Vec<String> = ask!(node, conn => counters::table.select(counters::name).load(conn).await);
    assert_eq!(counted, ["user"]);
});

on_both!(a_live_database_is_the_same_one_as_its_dump, async |node: Node| {
    let old = Old::sample(1);
    let live = old.postgres().await;
    let report = run(&node, Source::Live(live.url.clone()), Options::default()).await;
    assert_eq!(counts(&report), sample_counts(), "{report}");
    let again = run(&node, old.file().source(), Options::default()).await;
    assert!(Entity::ALL.into_iter().all(|entity| again.tally(entity).imported == 0), "{again}");
    assert_eq!(again.totals, report.totals);
});

on_both!(a_dry_run_tells_the_same_and_writes_nothing, async |node: Node| {
    let old = Old::sample(1).file();
    let dry = run(&node, old.source(), Options { dry_run: true, ..Options::default() }).await;
    assert_eq!(counts(&dry), sample_counts(), "{dry}");
    let left: i64 = ask!(node, conn => users::table.count().get_result(conn).await);
    assert_eq!(left, 0);
    let holder = node.db.read(|tx| Box::pin(stores::legacy_holder(tx))).await.unwrap();
    assert_eq!(holder, None);
    assert_eq!(run(&node, old.source(), Options::default()).await, dry);
});

on_both!(abandoned_carts_come_when_asked_for, async |node: Node| {
    let options = Options { abandoned_carts: true, ..Options::default() };
    let report = run(&node, Old::sample(1).file().source(), options).await;
    assert_eq!(report.tally(Entity::Drinks).imported, 5);
});

#[tokio::test]
async fn nothing_is_written_of_a_dump_that_is_cut_off() {
    let node = Node::sqlite().await;
    let text = Old::sample(1).dump();
    let file = tempfile::NamedTempFile::new().unwrap();
    for end in [text.len() - 60, text.len() / 2, 0] {
        std::fs::write(file.path(), &text[..end]).unwrap();
        let source = Source::Dump(file.path().to_owned());
        let error = import(&node.db, source, Options::default(), Progress::silent()).await.unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
    }
    let left: i64 = ask!(node, conn => users::table.count().get_result(conn).await);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn hubs_and_foreign_databases_are_refused() {
    let hub = Node::sqlite_as(crate::testing::name(1, "C")).await;
    let error = import(&hub.db, Old::sample(1).file().source(), Options::default(), Progress::silent()).await;
    assert!(matches!(error, Err(Error::NoStore)), "{error:?}");
    let node = Node::sqlite().await;
    let url = std::env::var("TEST_POSTGRES_URL").unwrap();
    let error = import(&node.db, Source::Live(url), Options::default(), Progress::silent()).await.unwrap_err();
    assert!(error.to_string().contains("it lacks auth_user"), "{error}");
}

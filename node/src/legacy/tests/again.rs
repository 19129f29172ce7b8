//! Importing again, going on after a break, and second databases.

use codepop_proto::stores::LegacyNumbersHeld;
use codepop_shared::number;
use uuid::Uuid;

use super::{super::table::Table, old::Old, *};
use crate::{
    clock::Hlc,
    journal::{Replicated as _, Stamp},
    storage::schema::legacy_rows,
};

on_both!(the_second_time_nothing_is_new, async |node: Node| {
    let old = Old::sample(1).file();
    let first = run(&node, old.source(), Options::default()).await;
    let second = run(&node, old.source(), Options::default()).await;
    for entity in Entity::ALL {
        let (first, second) = (first.tally(entity), second.tally(entity));
        assert_eq!((second.imported, second.before), (0, first.imported), "{entity:?}");
        assert_eq!(second.skipped, first.skipped, "{entity:?}");
    }
    assert_eq!(first.totals, second.totals);
});

on_both!(what_came_since_is_brought_by_the_next_run, async |node: Node| {
    let earlier = Old::sample(1).before(Table::Users, 2).before(Table::Orders, 1).before(Table::Revenue, 2);
    run(&node, earlier.file().source(), Options::default()).await;
    let report = run(&node, Old::sample(1).file().source(), Options::default()).await;
    let new = [Entity::Users, Entity::Orders, Entity::Revenue].map(|entity| report.tally(entity).imported);
    assert_eq!(new, [2, 1, 1], "{report}");
    assert_eq!(report.totals[0].here, 1_812);
});

/// Does the first steps of an import and no more, as if the process had been killed.
async fn break_off(node: &Node, old: &Old, steps: usize) {
    let (snapshot, report) = read(old.file().source(), None, Progress::silent()).await.unwrap();
    let mut import = Import::new(snapshot, report, false);
    for step in import.steps().into_iter().take(steps) {
        import = node
            .db
            .write(move |tx| {
                Box::pin(async move {
                    import.step(tx, step).await?;
                    Ok::<_, Error>(import)
                })
            })
            .await
            .unwrap();
    }
}

on_both!(a_broken_off_import_goes_on_where_it_was, async |node: Node| {
    let old = Old::sample(1);
    for steps in 1..11 {
        break_off(&node, &old, steps).await;
    }
    let report = run(&node, old.file().source(), Options::default()).await;
    for (entity, expected) in Entity::ALL.into_iter().zip(sample_counts()) {
        let tally = report.tally(entity);
        assert_eq!((tally.imported + tally.before, tally.skipped), (expected.1, expected.4), "{entity:?}");
    }
    assert_eq!(report.totals[0].here, 1_812);
    let rows: i64 = ask!(node, conn => orders::table.count().get_result(conn).await);
    assert_eq!(rows, 4);
});

on_both!(a_second_database_gets_new_numbers, async |node: Node| {
    run(&node, Old::sample(1).file().source(), Options::default()).await;
    let report = run(&node, Old::sample(2).file().source(), Options::default()).await;
    let expected: Vec<u64> = sample_counts().iter().map(|counts| counts.1).collect();
    let mut imported: Vec<u64> = Entity::ALL.into_iter().map(|entity| report.tally(entity).imported).collect();
    // The stock is there already: what the store has is not counted twice.
    imported[5] += 3;
    assert_eq!(imported, expected, "{report}");
    assert_eq!(report.totals[0].here, 1_812);
    let numbers: Vec<i64> = ask!(node, conn => legacy_rows::table
        .filter(legacy_rows::entity.eq("users"))
        .order(legacy_rows::number)
        .select(legacy_rows::number)
        .load(conn)
        .await);
    assert_eq!(numbers.len(), 18);
    assert_eq!(numbers.iter().filter(|number| **number < number::STRIDE).count(), 8);
    assert!(numbers.iter().skip(8).all(|number| number::born_at(*number) == Some(1_000)), "{numbers:?}");
    // The names of the first database were claimed first.
    assert_eq!(report.tally(Entity::Users).changes.values().map(|rows| rows.count).max(), Some(9));
    let named = Options { name: Some("the copy".into()), ..Options::default() };
    let copy = run(&node, Old::sample(1).file().source(), named).await;
    assert_eq!(copy.tally(Entity::Users).imported, 9);
});

async fn claim(node: &Node, store: Uuid, hlc: u64) {
    let stamp = Stamp { hlc: Hlc(hlc), origin: store, stream: 77, seq: 1 };
    let message = LegacyNumbersHeld { store_id: store.to_string() };
    node.db.receive(move |tx| Box::pin(async move { message.apply(tx, &stamp).await })).await.unwrap();
}

on_both!(when_another_store_holds_the_numbers_new_ones_are_made, async |node: Node| {
    claim(&node, Uuid::from_u128(7), 1_000).await;
    run(&node, Old::sample(1).file().source(), Options::default()).await;
    let lowest: Vec<i64> =
        ask!(node, conn => users::table.order(users::id).limit(1).select(users::id).load(conn).await);
    assert_eq!(lowest, [101_000]);
    let holder = node.db.read(|tx| Box::pin(stores::legacy_holder(tx))).await.unwrap();
    assert_eq!(holder, Some(Uuid::from_u128(7)));
});

on_both!(the_earliest_claim_to_the_numbers_holds_in_any_order, async |node: Node| {
    let (early, late) = (Uuid::from_u128(9), Uuid::from_u128(8));
    claim(&node, late, 2_000).await;
    let holder = async || node.db.read(|tx| Box::pin(stores::legacy_holder(tx))).await.unwrap();
    assert_eq!(holder().await, Some(late));
    claim(&node, early, 1_000).await;
    claim(&node, late, 2_000).await;
    assert_eq!(holder().await, Some(early));
    // The store that lost goes on with new numbers.
    let own = node.db.write(|tx| Box::pin(stores::claim_legacy_numbers(tx))).await.unwrap();
    assert!(!own);
});

//! Databases of known size: ten times the largest known one, and that one itself where it is at hand.

use std::path::{Path, PathBuf};

use super::{super::table::Table, old::Old, *};

on_both!(ten_times_the_largest_known_database, async |node: Node| {
    let (old, cents) = Old::grown(10);
    let began = node.db.clock().wall();
    let report = run(&node, old.file().source(), Options::default()).await;
    let took = (node.db.clock().wall() - began).as_seconds_f64();
    let tables = [
        (Entity::Users, Table::Users),
        (Entity::Tokens, Table::Tokens),
        (Entity::Drinks, Table::Drinks),
        (Entity::Favorites, Table::Favorites),
        (Entity::Orders, Table::Orders),
        (Entity::OrderDrinks, Table::OrderDrinks),
        (Entity::Revenue, Table::Revenue),
    ];
    let mut rows = 0;
    for (entity, table) in tables {
        assert_eq!(report.tally(entity).read, old.count(table), "{entity:?}");
        rows += old.count(table);
    }
    assert_eq!((report.totals[0].source, report.totals[0].here), (cents, cents));
    assert_eq!(report.tally(Entity::Users).imported, 640);
    assert_eq!(report.tally(Entity::Orders).imported, 3_000);
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let speed = rows as f64 / took;
    println!("{rows} rows in {took:.1} s: {speed:.0} rows/s ({})", node.db.kind());
});

/// The largest known dump, if it is at hand.
fn known_dump() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/legacy/codepop-legacy-dump.sql.gz");
    let path = std::env::var_os("CODEPOP_LEGACY_DUMP").map_or(beside, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("The known dump is not at hand ({}); set CODEPOP_LEGACY_DUMP to try it.", path.display());
    None
}

on_both!(the_largest_known_database, async |node: Node| {
    let Some(path) = known_dump() else { return };
    let report = run(&node, Source::Dump(path.clone()), Options::default()).await;
    let imported = |entity| report.tally(entity).imported;
    assert_eq!((imported(Entity::Users), report.tally(Entity::Drinks).read), (64, 66));
    assert_eq!((imported(Entity::Orders), imported(Entity::Revenue)), (300, 164));
    assert_eq!((report.totals[0].source, report.totals[0].here), (223_287, 223_287));
    let again = run(&node, Source::Dump(path), Options::default()).await;
    assert!(Entity::ALL.into_iter().all(|entity| again.tally(entity).imported == 0), "{again}");
    println!("{report}");
});

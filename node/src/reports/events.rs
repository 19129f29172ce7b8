//! How reports merge: each item, each store's totals and each of its days on its own, the later wins as a whole.

use std::collections::BTreeSet;

use codepop_proto::reports as pb;
use codepop_shared::number;
use uuid::Uuid;

use super::{
    DAYS_PER_EVENT, ITEMS_PER_EVENT,
    store::{self, Day, Item, Totals},
};
use crate::{
    app::edge::is_printable,
    inventory::Kind,
    journal::{Audience, Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// An item, a store's totals, a day: each as a whole.
const WHOLE: Field = 1;

/// Longest name of an item, in characters.
pub(super) const NAME_MAX: usize = 100;

/// The last day that a date can name: 9999-12-31.
const DAY_MAX: i32 = 2_932_896;

fn store_of(bytes: &[u8]) -> Result<Id, Error> {
    Uuid::from_slice(bytes).map(Id).map_err(|_| Error::Unfit("the store is not a UUID"))
}

fn scope(bytes: &[u8]) -> Scope {
    // Of an id that is none the nil UUID is left, which is nobody's: the authority table forbids it.
    Scope::Store(Uuid::from_slice(bytes).unwrap_or(Uuid::nil()))
}

/// Counts and sums of cents, which are not negative and fit a JSON number.
fn counted(numbers: &[i64]) -> Result<(), Error> {
    let fit = numbers.iter().all(|number| (0..=number::MAX).contains(number));
    if fit { Ok(()) } else { Err(Error::Unfit("a figure is out of range")) }
}

fn item(store: Id, said: &pb::StockItem, stamp: &Stamp) -> Result<Item, Error> {
    counted(&[said.quantity.into(), said.threshold.into(), said.item])?;
    if said.item == 0 {
        return Err(Error::Unfit("an item has no number"));
    }
    if !(1..=NAME_MAX).contains(&said.name.chars().count()) || !is_printable(&said.name) {
        return Err(Error::Unfit("the name of an item is not allowed"));
    }
    Ok(Item {
        store,
        item: said.item,
        name: said.name.clone(),
        item_type: Kind::try_from(said.r#type.clone()).map_err(Error::Unfit)?,
        quantity: said.quantity,
        threshold: said.threshold,
        removed: said.removed,
        at: Time(stamp.hlc.wall()),
    })
}

fn totals(store: Id, said: &pb::Totals, stamp: &Stamp) -> Result<Totals, Error> {
    counted(&[said.orders, said.sales_cents, said.refunds_cents, said.customers, said.pending_orders])?;
    counted(&[said.complaints, said.open_complaints])?;
    Ok(Totals {
        store,
        orders: said.orders,
        sales_cents: said.sales_cents,
        refunds_cents: said.refunds_cents,
        customers: said.customers,
        pending_orders: said.pending_orders,
        complaints: said.complaints,
        open_complaints: said.open_complaints,
        at: Time(stamp.hlc.wall()),
    })
}

fn day(store: Id, said: &pb::Day, stamp: &Stamp) -> Result<Day, Error> {
    if !(0..=DAY_MAX).contains(&said.day) {
        return Err(Error::Unfit("a day is out of range"));
    }
    counted(&[said.orders, said.drinks, said.sales_cents, said.refunds_cents])?;
    let used = said.used.unwrap_or_default();
    // What was taken the day before may be given back: then less than nothing was used.
    if [used.sodas, used.syrups, used.add_ins, used.physical].iter().any(|units| units.unsigned_abs() > UNITS_MAX) {
        return Err(Error::Unfit("a figure is out of range"));
    }
    Ok(Day {
        store,
        day: said.day,
        orders: said.orders,
        drinks: said.drinks,
        sales_cents: said.sales_cents,
        refunds_cents: said.refunds_cents,
        sodas: used.sodas,
        syrups: used.syrups,
        add_ins: used.add_ins,
        physical: used.physical,
        at: Time(stamp.hlc.wall()),
    })
}

/// Units used on a day: as far as JSON numbers go.
const UNITS_MAX: u64 = number::MAX.unsigned_abs();

/// Named twice, the number of fields that an event holds would be wrong for ever.
fn each_once<K: Ord>(keys: impl ExactSizeIterator<Item = K>, max: usize) -> Result<(), Error> {
    let count = keys.len();
    let distinct: BTreeSet<K> = keys.collect();
    if count <= max && distinct.len() == count {
        Ok(())
    } else {
        Err(Error::Unfit("too many things, or one of them twice"))
    }
}

impl Replicated for pb::StockReported {
    fn scope(&self) -> Scope {
        scope(&self.store)
    }

    fn is_for(&self, audience: &Audience) -> bool {
        matches!(audience, Audience::Region(_))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let of = store_of(&self.store)?;
        each_once(self.items.iter().map(|item| item.item), ITEMS_PER_EVENT)?;
        let items: Vec<Item> = self.items.iter().map(|said| item(of, said, stamp)).collect::<Result<_, _>>()?;
        let mut live = 0;
        for item in &items {
            let mut merge = Merge::new(&store::item_clocks(tx, of, item.item).await?, stamp)?;
            if merge.takes(WHOLE) {
                let (clocks, held) = merge.settle(tx).await?;
                store::put_item(tx, item, &clocks).await?;
                live += held;
            }
        }
        Ok(live)
    }
}

impl Replicated for pb::StoreFiguresReported {
    fn scope(&self) -> Scope {
        scope(&self.store)
    }

    fn is_for(&self, audience: &Audience) -> bool {
        matches!(audience, Audience::Hub(_))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let of = store_of(&self.store)?;
        each_once(self.days.iter().map(|day| day.day), DAYS_PER_EVENT)?;
        let days: Vec<Day> = self.days.iter().map(|said| day(of, said, stamp)).collect::<Result<_, _>>()?;
        let totals = self.totals.as_ref().map(|said| totals(of, said, stamp)).transpose()?;
        let mut live = 0;
        if let Some(totals) = &totals {
            let mut merge = Merge::new(&store::totals_clocks(tx, of).await?, stamp)?;
            if merge.takes(WHOLE) {
                let (clocks, held) = merge.settle(tx).await?;
                store::put_totals(tx, totals, &clocks).await?;
                live += held;
            }
        }
        for day in &days {
            let mut merge = Merge::new(&store::day_clocks(tx, of, day.day).await?, stamp)?;
            if merge.takes(WHOLE) {
                let (clocks, held) = merge.settle(tx).await?;
                store::put_day(tx, day, &clocks).await?;
                live += held;
            }
        }
        Ok(live)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::{journal::BODY_MAX, laws, on_both, testing::Node};

    #[derive(Clone, Debug)]
    enum Said {
        Stock(pb::StockReported),
        Figures(pb::StoreFiguresReported),
    }

    impl laws::Said for Said {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            match self {
                Self::Stock(message) => Box::pin(message.apply(tx, stamp)),
                Self::Figures(message) => Box::pin(message.apply(tx, stamp)),
            }
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| {
                let mut rows = 0;
                for audience in [Audience::Region("C".into()), Audience::Hub("C".into())] {
                    rows += super::super::digest(tx, &audience, hasher).await?;
                }
                Ok(rows)
            }))
        }
    }

    fn bytes(store: u128) -> Vec<u8> {
        Uuid::from_u128(store).as_bytes().to_vec()
    }

    fn stock(store: u128, items: &[(i64, i32)], removed: bool) -> Said {
        let item = |(item, quantity): &(i64, i32)| pb::StockItem {
            item: *item,
            name: "Mtn. Dew".into(),
            r#type: "Soda".into(),
            quantity: *quantity,
            threshold: 10,
            removed,
        };
        Said::Stock(pb::StockReported { store: bytes(store), items: items.iter().map(item).collect() })
    }

    fn figures(store: u128, orders: Option<i64>, days: &[(i32, i64)]) -> Said {
        let day = |(day, sodas): &(i32, i64)| pb::Day {
            day: *day,
            orders: 1,
            used: Some(pb::Used { sodas: *sodas, ..pb::Used::default() }),
            ..pb::Day::default()
        };
        let totals = orders.map(|orders| pb::Totals { orders, ..pb::Totals::default() });
        Said::Figures(pb::StoreFiguresReported { store: bytes(store), totals, days: days.iter().map(day).collect() })
    }

    fn said() -> impl Strategy<Value = Said> {
        let items = prop::collection::btree_map(1_i64..4, 0_i32..3, 1..4);
        let days = prop::collection::btree_map(1_i32..4, -2_i64..3, 1..4);
        (any::<bool>(), 1_u128..3, items, prop::option::of(0_i64..3), days, any::<bool>()).prop_map(
            |(is_stock, store, items, orders, days, removed)| {
                if is_stock {
                    stock(store, &items.into_iter().collect::<Vec<_>>(), removed)
                } else {
                    figures(store, orders, &days.into_iter().collect::<Vec<_>>())
                }
            },
        )
    }

    on_both!(reports_merge_alike_in_any_order, async |node: Node| laws::hold(&node, said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        let events = [u128::MAX, 1, 7 << 100].into_iter().flat_map(|store| {
            [stock(store, &[(2, 0), (1, 5)], false), figures(store, Some(number::MAX), &[(20_000, -3), (19_999, 4)])]
        });
        laws::alike_on_both(events.collect()).await;
    }

    #[test]
    fn the_largest_reports_fit_an_event() {
        let item = pb::StockItem {
            item: number::MAX,
            name: "\u{10348}".repeat(NAME_MAX),
            r#type: "Physical".into(),
            quantity: i32::MAX,
            threshold: i32::MAX,
            removed: true,
        };
        let stock = pb::StockReported { store: bytes(1), items: vec![item; ITEMS_PER_EVENT] };
        let least = i64::MIN;
        let used = Some(pb::Used { sodas: least, syrups: least, add_ins: least, physical: least });
        let (orders, drinks, sales_cents, refunds_cents) = (least, least, least, least);
        let day = pb::Day { day: i32::MIN, orders, drinks, sales_cents, refunds_cents, used };
        let figures = pb::StoreFiguresReported { store: bytes(1), totals: None, days: vec![day; DAYS_PER_EVENT] };
        // Sixteen random bytes go before the message, and the totals beside the days.
        for length in [stock.encoded_len(), figures.encoded_len()] {
            assert!(length + 256 < BODY_MAX, "{length}");
        }
    }

    on_both!(nonsense_is_unfit, async |node: Node| {
        let many: Vec<(i64, i32)> = (1..=101).map(|item| (item, 1)).collect();
        let mut nameless = stock(1, &[(1, 1)], false);
        if let Said::Stock(said) = &mut nameless {
            said.items[0].name = "\0".into();
        }
        let cases = [
            stock(1, &[(0, 1)], false),
            stock(1, &[(i64::MIN, 1)], false),
            stock(1, &[(1, -1)], false),
            stock(1, &[(1, 1), (1, 2)], false),
            stock(1, &many, false),
            nameless,
            figures(1, Some(-1), &[]),
            figures(1, None, &[(-1, 1)]),
            figures(1, None, &[(DAY_MAX + 1, 1)]),
            figures(1, None, &[(1, i64::MIN)]),
            figures(1, None, &[(1, 1), (1, 2)]),
        ];
        let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 1 };
        for case in cases {
            let told = case.clone();
            let applied =
                node.db.receive(move |tx| Box::pin(async move { laws::Said::apply(&told, tx, &stamp).await }));
            let outcome = applied.await;
            assert!(matches!(outcome, Err(Error::Unfit(_))), "{case:?}: {outcome:?}");
        }
    });
}

//! The stock as its manager sees and changes it.

use super::{Cause, Error, Item, LISTED_MAX, Movement, Reason, ledger, now, require_store, store};
use crate::{app::App, auth::Permit, storage::Tx};

/// The most units of an item: far above any store room, far below what the number could hold.
pub(super) const QUANTITY_MAX: i32 = 1_000_000;

/// A full item has so many units above its threshold at least, so that it is not low again after a few drinks.
const FULL_ABOVE: i32 = 10;

/// All items of this store, by type and name, also those that are used up.
///
/// # Errors
/// This node is no store.
pub async fn report(tx: &mut Tx) -> Result<Vec<Item>, Error> {
    require_store(tx)?;
    Ok(store::all(tx, LISTED_MAX).await?)
}

/// One item.
///
/// # Errors
/// There is none of that number here.
pub async fn item(tx: &mut Tx, id: i64) -> Result<Item, Error> {
    require_store(tx)?;
    store::numbered(tx, id).await?.ok_or(Error::Unknown(id))
}

/// What changed an item, newest first.
///
/// # Errors
/// There is none of that number here.
pub async fn movements(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<Movement>, Error> {
    item(tx, id).await?;
    Ok(ledger::of_item(tx, id, limit).await?)
}

/// A change of an item; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    /// Fill it up. A quantity that was counted goes before.
    pub fill_up: bool,
    /// The quantity that was counted.
    pub quantity: Option<i32>,
    /// At or below this many it runs low.
    pub threshold: Option<i32>,
    /// Why.
    pub note: String,
}

/// Units of a full item: twice its threshold, and [`FULL_ABOVE`] above it at the least; never fewer than are there.
fn full(item: &Item) -> i32 {
    let level = item.threshold.saturating_mul(2).max(item.threshold.saturating_add(FULL_ABOVE));
    level.min(QUANTITY_MAX).max(item.quantity)
}

/// Changes an item.
///
/// # Errors
/// There is none of that number here.
pub async fn correct(app: &App, permit: &Permit, id: i64, correction: Correction) -> Result<Item, Error> {
    let user = permit.user;
    app.write(permit, move |tx| {
        Box::pin(async move {
            let old = item(tx, id).await?;
            let mut new = Item { threshold: correction.threshold.unwrap_or(old.threshold), ..old.clone() };
            let reason = match correction.quantity {
                Some(counted) => {
                    new.quantity = counted;
                    Reason::Correction
                }
                None if correction.fill_up => {
                    new.quantity = full(&new);
                    Reason::Restock
                }
                None => Reason::Correction,
            };
            if new != old {
                new.updated_at = now(tx);
                let cause = Cause { user, note: correction.note, ..Cause::of(reason) };
                ledger::put(tx, old.quantity, &new, &cause).await?;
            }
            Ok(new)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inventory::Kind, storage::types::Time};

    #[test]
    fn full_is_above_the_threshold() {
        let item = |quantity, threshold| Item {
            id: 1,
            name: "Coke".into(),
            name_key: "coke".into(),
            item_type: Kind::Soda,
            quantity,
            threshold,
            updated_at: Time(chrono::DateTime::UNIX_EPOCH),
        };
        assert_eq!([item(0, 0), item(1, 4), item(1, 20), item(90, 20)].map(|item| full(&item)), [10, 14, 40, 90]);
        assert_eq!(full(&item(0, QUANTITY_MAX)), QUANTITY_MAX);
    }
}

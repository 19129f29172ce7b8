//! Ratings: one for each user and drink; the later one counts. A drink shows their mean.

use std::{collections::HashMap, ops::RangeInclusive};

use codepop_proto::catalog as pb;
use codepop_shared::number;
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::{Error, own_region, require_hub, store};
use crate::{
    app::App,
    auth::Permit,
    journal::{self, Audience},
    on,
    storage::{self, Tx, schema::drink_ratings},
};

/// How many stars a rating has.
pub(super) const STARS: RangeInclusive<i32> = 1..=5;

/// Whether the rating of a drink belongs to what an audience holds alike: of drinks that were born at a hub, as those of
/// the catalogue are, everyone hears; of the others a region does at the least.
pub(super) fn is_counted_in(drink: i64, audience: &Audience) -> bool {
    match audience {
        Audience::Everyone => number::is_hub_born(drink),
        Audience::Region(_) => !number::is_hub_born(drink),
        _ => false,
    }
}

/// Stars as somebody gave them.
///
/// # Errors
/// It is not a whole number from 1 to 5; says so for people.
pub(super) fn stars(given: f64) -> Result<u32, &'static str> {
    let stars = (1_u32..=5).find(|stars| f64::from(*stars) == given);
    stars.ok_or("must be 1, 2, 3, 4 or 5")
}

/// Rates a drink for a user. Saying the same again says nothing.
///
/// # Errors
/// This node may not speak for the user.
pub async fn rate(app: &App, permit: &Permit, user: i64, drink: i64, stars: u32) -> Result<(), Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_hub(tx, user)?;
            if row(tx, user, drink).await?.is_some_and(|row| i64::from(row.stars) == i64::from(stars)) {
                return Ok(());
            }
            let is_for_all = number::is_hub_born(drink) || store::catalog_row(tx, drink).await?.is_some();
            let audience = if is_for_all { Audience::Everyone } else { own_region(tx) };
            journal::emit(tx, &audience, &pb::DrinkRated { user, drink, stars }).await?;
            Ok(())
        })
    })
    .await
}

/// The mean of the ratings of each drink that has some, to the hundredth.
pub async fn means(tx: &mut Tx, drinks: Vec<i64>) -> Result<HashMap<i64, f64>, storage::Error> {
    use diesel::dsl::{count_star, sum};
    let sums: Vec<(i64, Option<i64>, i64)> = on!(tx, conn => drink_ratings::table
        .filter(drink_ratings::drink_id.eq_any(drinks))
        .group_by(drink_ratings::drink_id)
        .select((drink_ratings::drink_id, sum(drink_ratings::stars), count_star()))
        .load(conn)
        .await)?;
    Ok(sums.into_iter().map(|(drink, sum, count)| (drink, mean(sum.unwrap_or(0), count))).collect())
}

fn mean(sum: i64, count: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "as many ratings as there are people fit many times over")]
    let mean = sum as f64 / count.max(1) as f64;
    (mean * 100.0).round() / 100.0
}

// === rows ===

#[derive(Clone, Debug, PartialEq, Eq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = drink_ratings, primary_key(user_id, drink_id))]
pub(super) struct Row {
    pub(super) user_id: i64,
    pub(super) drink_id: i64,
    pub(super) stars: i32,
    pub(super) clocks: Vec<u8>,
}

/// A user's rating of a drink.
pub(super) async fn row(tx: &mut Tx, user: i64, drink: i64) -> Result<Option<Row>, storage::Error> {
    Ok(on!(tx, conn => drink_ratings::table
        .find((user, drink))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// Keeps a rating.
pub(super) async fn put(tx: &mut Tx, row: &Row) -> Result<(), storage::Error> {
    on!(tx, conn => diesel::insert_into(drink_ratings::table)
        .values(row)
        .on_conflict((drink_ratings::user_id, drink_ratings::drink_id))
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Ratings after a key, in order.
pub(super) async fn after(tx: &mut Tx, (user, drink): (i64, i64), limit: i64) -> Result<Vec<Row>, storage::Error> {
    Ok(on!(tx, conn => drink_ratings::table
        .filter(drink_ratings::user_id.gt(user).or(drink_ratings::user_id.eq(user).and(drink_ratings::drink_id.gt(drink))))
        .order((drink_ratings::user_id, drink_ratings::drink_id))
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_whole_and_few() {
        for (given, read) in [(1.0, 1), (5.0, 5)] {
            assert_eq!(stars(given), Ok(read));
        }
        for wrong in [0.0, 6.0, -1.0, 4.5, f64::NAN, f64::INFINITY] {
            assert!(stars(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn means_have_hundredths() {
        assert_eq!((mean(11, 3), mean(5, 1), mean(9, 2)), (3.67, 5.0, 4.5));
    }
}

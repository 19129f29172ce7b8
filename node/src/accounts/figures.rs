//! How many accounts there are.

use codepop_shared::number::STRIDE;
use diesel::{
    ExpressionMethods as _, QueryDsl as _,
    dsl::sql,
    sql_types::{BigInt, Bool},
};
use diesel_async::RunQueryDsl as _;

use super::store;
use crate::{
    on,
    storage::{Error, Tx, schema::users},
};

/// How many accounts were made at this node and are not deleted.
///
/// # Errors
/// The database failed.
pub async fn born_here(tx: &mut Tx) -> Result<i64, Error> {
    let mut count: i64 = 0;
    for number in tx.author.numbers() {
        let born: i64 = on!(tx, conn => users::table
            .filter(users::deleted.eq(false))
            .filter(users::created_at.ne(store::unregistered()))
            .filter(sql::<Bool>(&format!("id % {STRIDE} = ")).bind::<BigInt, _>(i64::from(number)))
            .count()
            .get_result(conn)
            .await)?;
        count += born;
    }
    Ok(count)
}

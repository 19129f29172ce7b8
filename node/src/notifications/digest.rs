//! The digest over chain-wide notices.

use sha2::Sha256;

use super::store;
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx},
};

/// Feeds the rows of an audience to `hasher` in order of their numbers; tells how many there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let mut rows = Canonical(hasher);
    rows.table("chain_notices");
    let (mut count, mut last) = (0, 0);
    loop {
        let page = store::chain_after(tx, last, PAGE).await?;
        for row in &page {
            rows.integer(row.id)
                .text(&row.kind)
                .text(&row.message)
                .integer(row.at.0.timestamp_micros())
                .flag(row.withdrawn);
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = row.id,
            None => return Ok(count),
        }
    }
}

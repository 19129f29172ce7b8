//! The digest over preferences.

use sha2::Sha256;

use super::store;
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx},
};

/// Users whose rows are read at once; each has a few.
const USERS: i64 = PAGE / 10;

/// Feeds the rows of an audience to `hasher` in order of their keys; tells how many there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let mut rows = Canonical(hasher);
    rows.table("preferences");
    let (mut count, mut after) = (0, 0);
    loop {
        let users = store::users_after(tx, after, USERS).await?;
        let Some(last) = users.last().copied() else { return Ok(count) };
        let mut page = store::of_users(tx, after, last).await?;
        page.sort_by(|a, b| (a.user_id, &a.name).cmp(&(b.user_id, &b.name)));
        for row in &page {
            rows.integer(row.user_id).text(&row.name).integer(row.id).flag(row.present);
        }
        count += page.len() as u64;
        after = last;
    }
}

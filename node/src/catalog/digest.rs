//! The digest over drinks, favourites and ratings.

use sha2::Sha256;

use super::{ratings, store};
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx},
};

/// Feeds the rows of an audience to `hasher` in order of their keys; tells how many there are.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    let mut rows = Canonical(hasher);
    match audience {
        Audience::Everyone => {
            let drinks = catalogue(tx, &mut rows).await? + favorites(tx, &mut rows).await?;
            Ok(drinks + ratings(tx, audience, &mut rows).await?)
        }
        Audience::Region(code) if *code == tx.author.id.region => {
            Ok(user_drinks(tx, &mut rows).await? + ratings(tx, audience, &mut rows).await?)
        }
        _ => Ok(0),
    }
}

macro_rules! feed {
    ($rows:expr, $row:expr) => {
        $rows
            .text(&$row.name)
            .text(&$row.syrups)
            .text(&$row.sodas)
            .text(&$row.add_ins)
            .integer($row.price_cents)
            .text(&$row.size)
            .text(&$row.ice)
    };
}

async fn catalogue(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("catalog_drinks");
    let (mut count, mut last) = (0, 0);
    loop {
        let page = store::catalog_after(tx, last, PAGE).await?;
        for row in &page {
            feed!(rows.integer(row.id).flag(row.withdrawn), row);
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = row.id,
            None => return Ok(count),
        }
    }
}

async fn favorites(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("favorites");
    let (mut count, mut last) = (0, (0, 0));
    loop {
        let page = store::favorites_after(tx, last, PAGE).await?;
        for row in &page {
            let key = rows.integer(row.user_id).integer(row.drink_id);
            feed!(key.flag(row.present).flag(row.user_created), row);
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = (row.user_id, row.drink_id),
            None => return Ok(count),
        }
    }
}

async fn user_drinks(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("user_drinks");
    let (mut count, mut last) = (0, 0);
    loop {
        let page = store::user_after(tx, last, PAGE).await?;
        for row in &page {
            let guest = row.guest.as_ref().map_or::<&[u8], _>(&[], |guest| guest.0.as_bytes());
            let head = rows.integer(row.id).integer(row.owner).bytes(guest);
            let head = head.integer(row.created_at.0.timestamp_micros());
            feed!(head.flag(row.deleted), row);
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = row.id,
            None => return Ok(count),
        }
    }
}

/// The ratings that an audience holds: which one follows from the drink's number alone.
async fn ratings(tx: &mut Tx, audience: &Audience, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("drink_ratings");
    let (mut count, mut last) = (0, (0, 0));
    loop {
        let page = ratings::after(tx, last, PAGE).await?;
        for row in page.iter().filter(|row| ratings::is_counted_in(row.drink_id, audience)) {
            rows.integer(row.user_id).integer(row.drink_id).integer(row.stars.into());
            count += 1;
        }
        match page.last() {
            Some(row) => last = (row.user_id, row.drink_id),
            None => return Ok(count),
        }
    }
}

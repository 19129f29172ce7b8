//! The digest over drinks and favourites.

use sha2::Sha256;

use super::store;
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx},
};

/// Feeds the rows of an audience to `hasher` in order of their keys; tells how many there are.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    let mut rows = Canonical(hasher);
    match audience {
        Audience::Everyone => Ok(catalogue(tx, &mut rows).await? + favorites(tx, &mut rows).await?),
        Audience::Region(code) if *code == tx.author.id.region => user_drinks(tx, &mut rows).await,
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
            let head = rows.integer(row.id).integer(row.owner).integer(row.created_at.0.timestamp_micros());
            feed!(head.flag(row.deleted), row);
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = row.id,
            None => return Ok(count),
        }
    }
}

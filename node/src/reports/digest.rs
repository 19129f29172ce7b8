//! The digest over what was reported: the stock among the nodes of a region, the figures at its hub.

use sha2::Sha256;
use uuid::Uuid;

use super::{TOTALS_READ_MAX, store};
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx, types::Id},
};

/// Feeds the rows of an audience to `hasher` in order of their keys; tells how many there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    let mut rows = Canonical(hasher);
    match audience {
        Audience::Region(code) if *code == tx.author.id.region => items(tx, &mut rows).await,
        Audience::Hub(code) if *code == tx.author.id.region => {
            Ok(totals(tx, &mut rows).await? + days(tx, &mut rows).await?)
        }
        _ => Ok(0),
    }
}

async fn items(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("reported_items");
    let (mut count, mut last) = (0, (Id(Uuid::nil()), i64::MIN));
    loop {
        let page = store::items_after(tx, last, PAGE).await?;
        for row in &page {
            let fed = rows.bytes(row.store.0.as_bytes()).integer(row.item).text(&row.name).text(row.item_type.word());
            let fed = fed.integer(row.quantity.into()).integer(row.threshold.into()).flag(row.removed);
            fed.integer(row.at.0.timestamp_micros());
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = (row.store, row.item),
            None => return Ok(count),
        }
    }
}

async fn totals(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("reported_totals");
    let all = store::all_totals(tx, TOTALS_READ_MAX).await?;
    for row in &all {
        let fed = rows.bytes(row.store.0.as_bytes()).integer(row.orders).integer(row.sales_cents);
        let fed = fed.integer(row.refunds_cents).integer(row.customers).integer(row.pending_orders);
        fed.integer(row.complaints).integer(row.open_complaints).integer(row.at.0.timestamp_micros());
    }
    Ok(all.len() as u64)
}

async fn days(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, Error> {
    rows.table("reported_days");
    let (mut count, mut last) = (0, (Id(Uuid::nil()), i32::MIN));
    loop {
        let page = store::days_after(tx, last, PAGE).await?;
        for row in &page {
            let fed = rows.bytes(row.store.0.as_bytes()).integer(row.day.into()).integer(row.orders);
            let fed = fed.integer(row.drinks).integer(row.sales_cents).integer(row.refunds_cents).integer(row.sodas);
            let fed = fed.integer(row.syrups).integer(row.add_ins).integer(row.physical);
            fed.integer(row.at.0.timestamp_micros());
        }
        count += page.len() as u64;
        match page.last() {
            Some(row) => last = (row.store, row.day),
            None => return Ok(count),
        }
    }
}

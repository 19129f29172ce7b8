//! The accounts' part of the digest by which nodes are compared: merged rows in canonical order, local columns left out.

use codepop_shared::number;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    legacy,
    store::{self, Credential, User},
};
use crate::{
    clock::Hlc,
    journal::Audience,
    roles,
    storage::{Error, Tx},
};

/// Rows that are read at a time.
pub(super) const PAGE: i64 = 500;

/// Feeds what all nodes of an audience should hold alike into `hasher`; returns the number of rows.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    match audience {
        Audience::Everyone => {
            let users = users(tx, hasher).await?;
            let credentials = credentials(tx, audience, hasher).await?;
            let ended = ended_sessions(tx, hasher).await?;
            let kept = legacy::digest(tx, hasher).await?;
            Ok(users + credentials + ended + kept + roles::digest(tx, audience, hasher).await?)
        }
        Audience::Hubs => credentials(tx, audience, hasher).await,
        Audience::Region(_) | Audience::Hub(_) | Audience::Store(_) => Ok(0),
    }
}

async fn users(tx: &mut Tx, hasher: &mut Sha256) -> Result<u64, Error> {
    let (mut rows, mut after) = (0, 0);
    loop {
        let page = store::user_page(tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = last.id;
        rows += page.len() as u64;
        page.iter().for_each(|row| user(row, hasher));
    }
}

fn user(row: &User, hasher: &mut Sha256) {
    hasher.update(b"user");
    hasher.update(row.id.to_be_bytes());
    hasher.update(row.name_hlc.to_be_bytes());
    hasher.update(row.name_origin.0.as_bytes());
    hasher.update(row.created_at.0.timestamp_micros().to_be_bytes());
    hasher.update([u8::from(row.disabled), u8::from(row.deleted), u8::from(row.preferred_store.is_some())]);
    hasher.update(row.hold.to_be_bytes());
    hasher.update(row.preferred_store.map_or(Uuid::nil(), Uuid::from).as_bytes());
    for text in [&row.username, &row.first_name, &row.last_name, &row.email] {
        bytes(text.as_bytes(), hasher);
    }
    bytes(&row.name_key, hasher);
}

/// With its length, so that two fields can't be mistaken for two others.
pub(super) fn bytes(bytes: &[u8], hasher: &mut Sha256) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

async fn credentials(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    let (mut rows, mut after) = (0, 0);
    loop {
        let page = store::credential_page(tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = last.user_id;
        rows += page.iter().map(|row| u64::from(credential(row, audience, hasher))).sum::<u64>();
    }
}

/// Hubs alone hold the hashes of hub-born accounts; when their sessions ended is for everyone.
fn credential(row: &Credential, audience: &Audience, hasher: &mut Sha256) -> bool {
    let hub_born = number::is_hub_born(row.user_id);
    let (hash, since) = match audience {
        Audience::Hubs => (hub_born.then_some(row.password_hash.as_str()), None),
        _ => ((!hub_born).then_some(row.password_hash.as_str()), Some(row.sessions_since)),
    };
    let hash = hash.unwrap_or_default();
    let since = since.unwrap_or(Hlc(0).to_sql());
    // A row that holds nothing for this audience is there at some of its nodes and not at others.
    if hash.is_empty() && since == Hlc(0).to_sql() {
        return false;
    }
    hasher.update(b"credential");
    hasher.update(row.user_id.to_be_bytes());
    hasher.update(since.to_be_bytes());
    bytes(hash.as_bytes(), hasher);
    true
}

async fn ended_sessions(tx: &mut Tx, hasher: &mut Sha256) -> Result<u64, Error> {
    let now = tx.clock.wall();
    let (mut rows, mut after) = (0, (0, Uuid::nil()));
    loop {
        let page = store::ended_page(tx, after, now, PAGE).await?;
        let Some((user, session, _)) = page.last() else { return Ok(rows) };
        after = (*user, *session);
        rows += page.len() as u64;
        for (user, session, expires_at) in &page {
            hasher.update(b"ended");
            hasher.update(user.to_be_bytes());
            hasher.update(session.as_bytes());
            hasher.update(expires_at.timestamp_micros().to_be_bytes());
        }
    }
}

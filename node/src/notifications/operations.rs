//! What people do with notices: read the own and the global ones, write, change and remove them.

use chrono::{DateTime, Utc};
use codepop_proto::{
    notifications::{ChainNoticePosted, ChainNoticeWithdrawn},
    options::Permission,
};
use codepop_shared::{
    Failure,
    identity::{Kind, SpiffeId},
};

use super::{Error, LISTED_MAX, Notice, To, now, store, write};
use crate::{
    accounts,
    app::Lookup,
    audit,
    auth::{Actor, Permit, Place},
    journal::{self, Audience},
    storage::{self, Tx},
};

/// Someone who reads notices, and what else that person may do with them here.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// Number of the user.
    pub(super) user: i64,
    /// Whether notices to this store's staff are for this user too.
    pub(super) is_staff: bool,
    /// Leave to write to others at this node, or why not.
    writes: Result<Permit, Failure>,
    /// Leave to write to the whole chain, or why not.
    writes_chain: Result<Permit, Failure>,
}

impl Reader {
    /// The user who asks this node.
    pub(super) fn of(actor: &Actor, here: &SpiffeId) -> Result<Self, Failure> {
        let place = if here.kind == Kind::Store { Place::Store(here.uuid) } else { Place::Chain };
        let staff = [Permission::InventoryWrite, Permission::OrdersManage];
        Ok(Self {
            user: actor.user()?.number,
            is_staff: staff.into_iter().any(|permission| actor.may(permission, &place).is_ok()),
            writes: actor.may(Permission::NoticesWrite, &place),
            writes_chain: actor.may(Permission::NoticesWrite, &Place::Chain),
        })
    }

    /// Whether a notice is for this reader.
    pub(super) fn sees(&self, notice: &Notice) -> bool {
        match notice.to {
            Some(To::User(user)) => user == self.user,
            Some(To::Staff) => self.is_staff,
            Some(To::Everybody) | None => true,
        }
    }
}

/// A range of time, both ends included.
pub(super) type Range = (DateTime<Utc>, DateTime<Utc>);

/// All of time that notices can be of.
pub(super) const ALWAYS: Range = (DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC);

/// The latest time that both databases can hold (they agree on the years up to 9999).
fn storable((from, until): Range) -> Range {
    let latest = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    (from.min(latest), until.min(latest))
}

/// The notices that a reader sees, of a time range (both ends included), newest first.
pub(super) async fn list(tx: &mut Tx, reader: &Reader, range: Range) -> Result<Vec<Notice>, storage::Error> {
    let range = storable(range);
    let mut found = store::list(tx, To::User(reader.user), range, LISTED_MAX).await?;
    found.extend(store::list(tx, To::Everybody, range, LISTED_MAX).await?);
    if reader.is_staff {
        found.extend(store::list(tx, To::Staff, range, LISTED_MAX).await?);
    }
    found.extend(store::chain(tx, range, LISTED_MAX).await?);
    found.sort_by_key(|notice| std::cmp::Reverse((notice.at, notice.id)));
    found.truncate(usize::try_from(LISTED_MAX).unwrap_or_default());
    Ok(found)
}

/// One notice, if it is for the reader.
pub(super) async fn get(tx: &mut Tx, reader: &Reader, id: i64) -> Result<Notice, Error> {
    any(tx, id).await?.filter(|notice| reader.sees(notice)).ok_or(Error::Unknown(id))
}

async fn any(tx: &mut Tx, id: i64) -> Result<Option<Notice>, Error> {
    if let Some(notice) = store::find(tx, id).await? {
        return Ok(Some(notice));
    }
    Ok(store::chain_row(tx, id).await?.filter(|row| !row.withdrawn).map(Notice::from))
}

/// The texts of a notice.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    /// What it is about.
    pub(super) kind: String,
    /// What it says.
    pub(super) message: String,
}

/// Writes a notice as a person: to oneself, or with the permission to others and to everybody. To everybody at a hub is to
/// the whole chain.
pub(super) async fn create(tx: &mut Tx, reader: &Reader, to: To, texts: Texts) -> Result<Notice, Error> {
    if to == To::User(reader.user) {
        return make(tx, reader, to, texts).await;
    }
    let permit = reader.writes.clone()?;
    let notice = make(tx, reader, to, texts).await?;
    let permit = match to {
        To::User(user) => permit.about("user", user),
        To::Staff | To::Everybody => permit.about("notice", notice.id),
    };
    // Written down here: only who writes to others uses a right.
    audit::done(tx, &permit).await?;
    Ok(notice)
}

async fn make(tx: &mut Tx, reader: &Reader, to: To, texts: Texts) -> Result<Notice, Error> {
    let at_hub = tx.author.id.kind == Kind::Hub;
    match to {
        To::Everybody if at_hub => {
            reader.writes_chain.clone()?;
            let (id, at) = (journal::next_number(tx, "notification").await?, now(tx));
            let notice = Notice { id, to: None, author: None, kind: texts.kind, message: texts.message, at };
            post(tx, &notice).await?;
            Ok(notice)
        }
        _ if at_hub => {
            let detail = "A hub writes notices for the whole chain only; those to people are kept by stores.";
            Err(Failure::new(codepop_shared::Code::AskStore, detail).into())
        }
        To::User(user) => {
            if user != reader.user {
                require_user(tx, user).await?;
            }
            if store::count(tx, user).await? >= LISTED_MAX {
                return Err(Error::Full);
            }
            Ok(write(tx, to, Some(reader.user), &texts.kind, &texts.message).await?)
        }
        To::Staff | To::Everybody => Ok(write(tx, to, Some(reader.user), &texts.kind, &texts.message).await?),
    }
}

async fn require_user(tx: &mut Tx, user: i64) -> Result<(), Error> {
    let known = !accounts::account_numbers(tx, &Lookup::Number(user)).await?.is_empty();
    if known && !accounts::is_deleted(tx, user).await? {
        return Ok(());
    }
    Err(Failure::invalid("UserID", "is the number of no user").into())
}

async fn post(tx: &mut Tx, notice: &Notice) -> Result<(), Error> {
    let message = ChainNoticePosted {
        notification: notice.id,
        message: notice.message.clone(),
        r#type: notice.kind.clone(),
        at_us: notice.at.timestamp_micros(),
    };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(())
}

/// The notice, if the reader may change it.
async fn changeable(tx: &mut Tx, reader: &Reader, id: i64) -> Result<Notice, Error> {
    let notice = any(tx, id).await?.ok_or(Error::Unknown(id))?;
    match notice.to {
        Some(To::User(user)) if user == reader.user => {}
        // Who may not write to others is not told what others are written.
        Some(_) if reader.writes.is_err() && !reader.sees(&notice) => return Err(Error::Unknown(id)),
        Some(_) => audit::done(tx, &reader.writes.clone()?.about("notice", id)).await?,
        None => {
            audit::done(tx, &reader.writes_chain.clone()?.about("notice", id)).await?;
            if tx.author.id.kind != Kind::Hub {
                return Err(Error::AskHub);
            }
        }
    }
    Ok(notice)
}

/// Changes what a notice says; what is `None` stays.
pub(super) async fn update(
    tx: &mut Tx,
    reader: &Reader,
    id: i64,
    kind: Option<String>,
    message: Option<String>,
) -> Result<Notice, Error> {
    let old = changeable(tx, reader, id).await?;
    let new = Notice {
        kind: kind.unwrap_or_else(|| old.kind.clone()),
        message: message.unwrap_or_else(|| old.message.clone()),
        ..old.clone()
    };
    match new.to {
        _ if new == old => {}
        None => post(tx, &new).await?,
        Some(_) => store::update(tx, id, &new.kind, &new.message).await?,
    }
    Ok(new)
}

/// Removes a notice.
pub(super) async fn delete(tx: &mut Tx, reader: &Reader, id: i64) -> Result<(), Error> {
    match changeable(tx, reader, id).await?.to {
        None => {
            journal::emit(tx, &Audience::Everyone, &ChainNoticeWithdrawn { notification: id }).await?;
        }
        Some(_) => store::delete(tx, id).await?,
    }
    Ok(())
}

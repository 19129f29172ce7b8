//! How events of accounts merge. Each profile field on its own, the later stamp wins; deleted wins over everything: what
//! comes after it about the same user leaves nothing behind but its header.

use chrono::{DateTime, Utc};
use codepop_proto::accounts::{
    CredentialSet, Hold, ProfileChanged, SessionEnded, SessionsEnded, UserDeleted, UserRegistered, UserStatusChanged,
};
use codepop_shared::number;
use uuid::Uuid;

use super::{legacy, name, store};
use crate::{
    clock::Hlc,
    journal::{Audience, Error, Field, Merge, Replicated, Scope, Stamp, conflicts, entries},
    roles,
    storage::{
        Tx,
        types::{Id, Time},
    },
};

// Fields of a user's row.
const NAME: Field = 1;
const FIRST_NAME: Field = 2;
const LAST_NAME: Field = 3;
const EMAIL: Field = 4;
const PREFERRED_STORE: Field = 5;
const CREATED: Field = 6;
const STATUS: Field = 7;
const DELETED: Field = 8;

// Fields of a credential's row.
const HASH: Field = 1;
const SESSIONS: Field = 2;

/// Longest text in an event, in bytes: an e-mail address of 254 characters has 1,016.
const TEXT_MAX: usize = 2_048;

/// Longest password hash, in bytes; real ones have about 100.
const HASH_MAX: usize = 512;

/// The end of the year 9999, in microseconds since 1970: later times fit into no database.
const TIME_MAX_US: i64 = 253_402_300_799_999_999;

/// Kinds that say nothing personal and stay readable when the user is deleted.
const LASTING_KINDS: &[&str] = &[
    "codepop.accounts.v1.UserDeleted",
    "codepop.accounts.v1.UserStatusChanged",
    "codepop.accounts.v1.SessionEnded",
    "codepop.accounts.v1.SessionsEnded",
];

/// Lasting kinds that say nothing any more once the user is deleted.
const SPENT_KINDS: &[&str] = &["codepop.accounts.v1.UserStatusChanged", "codepop.accounts.v1.SessionsEnded"];

fn user_number(user: i64) -> Result<i64, Error> {
    if (1..=number::MAX).contains(&user) { Ok(user) } else { Err(Error::Unfit("the user's number is out of range")) }
}

/// PostgreSQL holds no NUL in text; what one database refuses is refused on all nodes alike.
fn text(text: &str) -> Result<&str, Error> {
    if text.len() > TEXT_MAX || text.contains('\0') {
        return Err(Error::Unfit("a text is too long or has a NUL in it"));
    }
    Ok(text)
}

pub(super) fn time(us: i64) -> Result<DateTime<Utc>, Error> {
    let unfit = Error::Unfit("a time is out of range");
    if !(1..=TIME_MAX_US).contains(&us) {
        return Err(unfit);
    }
    DateTime::from_timestamp_micros(us).ok_or(unfit)
}

fn store_id(word: &str) -> Result<Option<Id>, Error> {
    if word.is_empty() {
        return Ok(None);
    }
    Uuid::parse_str(word).map(|uuid| Some(Id(uuid))).map_err(|_| Error::Unfit("the preferred store is not a UUID"))
}

/// The row, unless the user is deleted: then nothing about it is taken in any more.
pub(super) async fn living(tx: &mut Tx, user: i64) -> Result<store::User, Error> {
    match store::user(tx, user_number(user)?).await? {
        Some(row) if row.deleted => Err(Error::Erased),
        Some(row) => Ok(row),
        None => Ok(store::User::absent(user)),
    }
}

/// A change of a profile, checked.
struct Change<'a> {
    username: Option<&'a str>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    email: Option<&'a str>,
    preferred_store: Option<Option<Id>>,
    created_at: Option<DateTime<Utc>>,
}

impl Change<'_> {
    async fn apply(self, tx: &mut Tx, mut row: store::User, stamp: &Stamp) -> Result<i32, Error> {
        for value in [self.username, self.first_name, self.last_name, self.email].into_iter().flatten() {
            text(value)?;
        }
        let mut merge = Merge::new(&row.clocks, stamp)?;
        let claimed = (row.name_hlc, row.name_origin);
        if let Some(username) = self.username
            && merge.takes(NAME)
        {
            row.username = username.to_owned();
            row.name_key = name::key(&tx.author.id.chain, username).to_vec();
            row.name_hlc = stamp.hlc.to_sql();
            row.name_origin = Id(stamp.origin);
        }
        self.merge_others(&mut merge, &mut row);
        let (clocks, live) = merge.settle(tx).await?;
        row.clocks = clocks;
        store::save_user(tx, &row).await?;
        if claimed != (row.name_hlc, row.name_origin) {
            note_collision(tx, &row, stamp).await?;
        }
        Ok(live)
    }

    fn merge_others(&self, merge: &mut Merge, row: &mut store::User) {
        let texts = [
            (FIRST_NAME, self.first_name, &mut row.first_name),
            (LAST_NAME, self.last_name, &mut row.last_name),
            (EMAIL, self.email, &mut row.email),
        ];
        for (field, value, held) in texts {
            if let Some(value) = value
                && merge.takes(field)
            {
                value.clone_into(held);
            }
        }
        if let Some(store) = self.preferred_store
            && merge.takes(PREFERRED_STORE)
        {
            row.preferred_store = store;
        }
        if let Some(created_at) = self.created_at
            && merge.takes(CREATED)
        {
            row.created_at = Time(created_at);
        }
    }
}

/// Two accounts of one name are for people to look at; both go on working.
async fn note_collision(tx: &mut Tx, row: &store::User, stamp: &Stamp) -> Result<(), Error> {
    let Some(owner) = store::name_owner(tx, &row.name_key).await?.filter(|owner| *owner != row.id) else {
        return Ok(());
    };
    let detail = format!("users {owner} and {} claim the same name; the claim of {owner} is the earlier one", row.id);
    conflicts::note(tx, "name_collision", detail, Some((stamp.stream, stamp.seq))).await?;
    Ok(())
}

/// A change of a credential's row: a hash, an end of all sessions, or both.
async fn change_credential(
    tx: &mut Tx,
    user: i64,
    stamp: &Stamp,
    hash: Option<&str>,
    ends_sessions: bool,
) -> Result<i32, Error> {
    let mut row = store::credential(tx, user).await?.unwrap_or_else(|| store::Credential::absent(user));
    let mut merge = Merge::new(&row.clocks, stamp)?;
    if let Some(hash) = hash
        && merge.takes(HASH)
    {
        row.password_hash = hash.to_owned();
    }
    if ends_sessions && merge.takes(SESSIONS) {
        row.sessions_since = stamp.hlc.to_sql();
    }
    let (clocks, live) = merge.settle(tx).await?;
    row.clocks = clocks;
    store::save_credential(tx, &row).await?;
    Ok(live)
}

// === impl Replicated ===

impl Replicated for UserRegistered {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let row = living(tx, self.user).await?;
        let change = Change {
            username: Some(&self.username),
            first_name: Some(&self.first_name),
            last_name: Some(&self.last_name),
            email: Some(&self.email),
            preferred_store: Some(store_id(&self.preferred_store)?),
            created_at: Some(time(self.created_at_us)?),
        };
        change.apply(tx, row, stamp).await
    }
}

impl Replicated for ProfileChanged {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let row = living(tx, self.user).await?;
        let change = Change {
            username: self.username.as_deref(),
            first_name: self.first_name.as_deref(),
            last_name: self.last_name.as_deref(),
            email: self.email.as_deref(),
            preferred_store: self.preferred_store.as_deref().map(store_id).transpose()?,
            created_at: None,
        };
        change.apply(tx, row, stamp).await
    }
}

impl Replicated for CredentialSet {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn is_for(&self, audience: &Audience) -> bool {
        *audience == if number::is_hub_born(self.user) { Audience::Hubs } else { Audience::Everyone }
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        living(tx, self.user).await?;
        if self.password_hash.len() > HASH_MAX || self.password_hash.contains('\0') {
            return Err(Error::Unfit("the password hash is too long or has a NUL in it"));
        }
        // Stores never see the hash of a hub-born account, so its sessions are ended by what everyone sees.
        let ends_sessions = self.ends_sessions && !number::is_hub_born(self.user);
        change_credential(tx, self.user, stamp, Some(&self.password_hash), ends_sessions).await
    }
}

impl Replicated for SessionsEnded {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        match living(tx, self.user).await {
            Ok(_) => change_credential(tx, self.user, stamp, None, true).await,
            Err(Error::Erased) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Replicated for SessionEnded {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, _stamp: &Stamp) -> Result<i32, Error> {
        let user = user_number(self.user)?;
        let session = Uuid::from_slice(&self.session).map_err(|_| Error::Unfit("the session is not a UUID"))?;
        let expires_at = time(self.expires_at_us)?;
        // The longer record is kept, whichever comes first.
        if store::ended(tx, user, session).await?.is_none_or(|known| known < expires_at) {
            store::end_session(tx, user, session, expires_at).await?;
        }
        Ok(1)
    }
}

impl Replicated for UserStatusChanged {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let mut row = match living(tx, self.user).await {
            Err(Error::Erased) => return Ok(0),
            row => row?,
        };
        let mut merge = Merge::new(&row.clocks, stamp)?;
        let again = merge.holds(STATUS);
        if merge.takes(STATUS) {
            row.disabled = self.disabled;
            row.hold = hold(self);
            // It was said of what was before; the operation that makes this event says it anew.
            if !again {
                row.hold_reason = String::new();
            }
        }
        let (clocks, mut live) = merge.settle(tx).await?;
        row.clocks = clocks;
        store::save_user(tx, &row).await?;
        if self.disabled {
            live += change_credential(tx, self.user, stamp, None, true).await?;
        }
        Ok(live)
    }
}

impl Replicated for UserDeleted {
    fn scope(&self) -> Scope {
        Scope::Account(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let user = user_number(self.user)?;
        let held = store::user(tx, user).await?;
        // Nothing of the living row counts any more: other nodes may never have seen it.
        let clocks = held.filter(|row| row.deleted).map(|row| (row.clocks.clone(), row));
        let (clocks, mut row) = clocks.unwrap_or_else(|| (Vec::new(), store::User::absent(user)));
        let mut merge = Merge::new(&clocks, stamp)?;
        if merge.takes(DELETED) {
            row.deleted = true;
            let (key, hlc, origin) = claim(self, stamp)?;
            (row.name_key, row.name_hlc, row.name_origin) = (key, hlc.to_sql(), Id(origin));
        }
        let (clocks, live) = merge.settle(tx).await?;
        row.clocks = clocks;
        store::save_user(tx, &row).await?;
        store::drop_credential(tx, user).await?;
        legacy::forget_user(tx, user).await?;
        let lasting = [LASTING_KINDS, roles::LASTING_KINDS].concat();
        entries::erase_about(tx, user, &lasting).await?;
        // Whichever came first: what was said of a living account counts no more.
        entries::supersede_about(tx, user, SPENT_KINDS).await?;
        Ok(live)
    }
}

/// How firmly the account is held. A word of a later version holds like any other: who is out stays out.
fn hold(changed: &UserStatusChanged) -> i16 {
    let hold = match Hold::try_from(changed.hold) {
        _ if !changed.disabled => return 0,
        Ok(Hold::Unspecified) | Err(_) => Hold::Disabled,
        Ok(hold) => hold,
    };
    i16::try_from(i32::from(hold)).unwrap_or_default()
}

/// Reads the claim that a deleted account leaves behind: key, time and origin.
fn claim(deleted: &UserDeleted, stamp: &Stamp) -> Result<(Vec<u8>, Hlc, Uuid), Error> {
    if deleted.name_key.is_empty() {
        return Ok((Vec::new(), Hlc(0), Uuid::nil()));
    }
    let origin =
        Uuid::from_slice(&deleted.name_origin).map_err(|_| Error::Unfit("the claim's origin is not a UUID"))?;
    if deleted.name_key.len() != 32 || deleted.name_hlc > stamp.hlc.0 {
        return Err(Error::Unfit("the claim on the name makes no sense"));
    }
    Ok((deleted.name_key.clone(), Hlc(deleted.name_hlc), origin))
}

//! Accounts on both databases: what the tests share.

mod between_nodes;
mod exchange;
mod merge;
mod on_disk;
mod one_node;
mod rpc;

use std::{net::IpAddr, sync::Arc, time::Duration};

use codepop_proto::{
    accounts::{CredentialSet, ProfileChanged, SessionEnded, UserDeleted, UserRegistered, UserStatusChanged},
    roles::Role,
};
use codepop_shared::{Code, Failure};
use futures::future::{BoxFuture, join_all};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::{gate::Gate, hashing::Hashing, *};
use crate::{
    app::{AccountFinder, Lookup},
    auth::{Customer, Permit, Place, User, token},
    clock::Hlc,
    journal::{self, Audience, Event, entries, streams},
    on_both, roles,
    storage::Db,
    testing::{self, Node},
};

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn permit() -> Permit {
    Permit::default()
}

/// Answers failures sooner than in earnest, but not before hashing is done on a machine that runs other tests.
fn quick(app: &App) -> Accounts {
    Accounts { app: app.clone(), hashing: Hashing::new(), gate: Gate::new(Duration::from_millis(2_500)) }
}

fn new_account(username: &str, password: &str) -> NewAccount {
    NewAccount {
        username: UserName::parse(username).unwrap(),
        password: typed(password),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        email: format!("{}@example.com", username.to_lowercase()),
        preferred_store: None,
    }
}

fn typed(password: &str) -> Password {
    Password::to_check(password.to_owned())
}

async fn register(accounts: &Accounts, username: &str, password: &str) -> Registered {
    accounts.register(&permit(), new_account(username, password)).await.unwrap()
}

async fn log_in(accounts: &Accounts, username: &str, password: &str) -> Result<LoggedIn, Failure> {
    accounts.log_in(HOME, Customer::default(), username, typed(password)).await
}

async fn user(accounts: &Accounts, token: &str) -> User {
    authenticate(&accounts.app, token).await.unwrap().user.unwrap()
}

async fn refused(accounts: &Accounts, token: &str) {
    let failure = authenticate(&accounts.app, token).await.unwrap_err();
    assert_eq!((failure.code, failure.detail.as_str()), (Code::NotAuthenticated, "Invalid token."));
}

/// Says something in the node's name, as an operation would.
async fn say<M: journal::Replicated + 'static>(db: &Db, message: M) -> Result<journal::Stamp, journal::Error> {
    db.write(|tx| Box::pin(async move { journal::emit(tx, &Audience::Everyone, &message).await })).await
}

async fn digest_of(db: &Db, audience: Audience) -> (u64, String) {
    let read = db.read_consistent(|tx| {
        Box::pin(async move {
            let mut hasher = Sha256::new();
            let rows = digest(tx, &audience, &mut hasher).await?;
            Ok((rows, hex::encode(<[u8; 32]>::from(hasher.finalize()))))
        })
    });
    read.await.map_err(|error: storage::Error| error).unwrap()
}

async fn events(db: &Db, stream: i64) -> Vec<Event> {
    let read = db.read(|tx| Box::pin(entries::after(tx, stream, 0))).await.map_err(|error: storage::Error| error);
    read.unwrap().into_iter().map(|event| Event::parse(event).unwrap()).collect()
}

//! Fetching one account that has not arrived yet: its live events, signed by whoever made them, from whichever peer has
//! them. A password never travels.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codepop_proto::{
    accounts::SessionEnded,
    journal::SignedEvent,
    mesh::{
        FindAccountRequest, FindAccountResponse, find_account_request::Account, mesh_service_client::MeshServiceClient,
    },
};
use codepop_shared::{
    identity::SpiffeId,
    tls::{Connector, Expect, client_config},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use prost::Name as _;
use tokio::{sync::Semaphore, time::timeout};
use tonic::transport::Channel;
use uuid::Uuid;

use super::{accept, find_drink::AT_ONCE_MAX, peer::Dialler, unknown::Unknown};
use crate::{
    accounts,
    app::{AccountFinder, Dial, Lookup},
    journal::{Event, entries},
    mesh::registry,
    storage::{self, Tx},
};

/// How long peers are asked at the most.
pub const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// Peers that are asked at the most; a store's links are not many more.
const ASKED_MAX: usize = 16;

/// Events of one answer that are taken at the most.
const EVENTS_MAX: usize = 500;

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The account is here now.
    Here,
    /// Who answered has no such account.
    Nowhere,
    /// Nobody answered in time.
    Unanswered,
}

/// Asks peers for accounts, and other nodes for drinks.
pub struct Finder {
    pub(super) dialler: Dialler,
    unknown: Unknown<Lookup>,
    pub(super) unknown_drinks: Unknown<i64>,
    pub(super) drinks_at_once: Semaphore,
    channels: Mutex<HashMap<Uuid, Channel>>,
}

impl Finder {
    /// Asks the peers to which links are up.
    pub fn new(dialler: Dialler) -> Arc<Self> {
        Arc::new(Self {
            dialler,
            unknown: Unknown::default(),
            unknown_drinks: Unknown::default(),
            drinks_at_once: Semaphore::new(AT_ONCE_MAX),
            channels: Mutex::default(),
        })
    }

    /// Whether the account may exist and not be here: a peer that should be linked is away, or data are known to differ.
    fn may_be_behind(&self) -> bool {
        let linked = self.dialler.links.linked();
        let sightings = self.dialler.links.sightings();
        let differs = |peer: &Uuid| sightings.get(peer).is_none_or(|sighting| sighting.differs);
        !self.dialler.away.get().is_empty() || linked.is_empty() || linked.iter().any(differs)
    }

    /// The peers to which links are up. A node that has just started waits for the first one.
    async fn peers(&self) -> Vec<Uuid> {
        let mut changes = self.dialler.links.changes();
        loop {
            changes.borrow_and_update();
            let linked = self.dialler.links.linked();
            if !linked.is_empty() || changes.changed().await.is_err() {
                return linked;
            }
        }
    }

    async fn ask_all(&self, account: &Lookup) -> Found {
        let peers = self.peers().await;
        let mut answers: FuturesUnordered<_> =
            peers.into_iter().take(ASKED_MAX).map(|peer| self.ask(peer, account)).collect();
        let mut outcome = Found::Unanswered;
        while let Some(answer) = answers.next().await {
            let Some(answer) = answer else { continue };
            if answer.events.is_empty() {
                outcome = Found::Nowhere;
            } else if self.take(answer).await {
                return Found::Here;
            }
        }
        outcome
    }

    async fn ask(&self, peer: Uuid, account: &Lookup) -> Option<FindAccountResponse> {
        let mut client = MeshServiceClient::new(self.channel(peer).await?);
        let account = match account {
            Lookup::NameKey(key) => Account::NameKey(key.to_vec()),
            Lookup::Number(number) => Account::User(*number),
        };
        match client.find_account(FindAccountRequest { account: Some(account) }).await {
            Ok(answer) => Some(answer.into_inner()),
            Err(status) => {
                tracing::debug!(peer.id = %peer, code = ?status.code(), "a peer could not be asked for an account");
                self.forget_channel(peer);
                None
            }
        }
    }

    /// A connection over which a question failed is not asked again.
    pub(super) fn forget_channel(&self, peer: Uuid) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    }

    /// A connection to a known node.
    pub(super) async fn channel(&self, peer: Uuid) -> Option<Channel> {
        let held = self.channels.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned();
        if held.is_some() {
            return held;
        }
        let known = self.dialler.db.read(move |tx| Box::pin(registry::find(tx, peer))).await.ok()??;
        let connector = Connector::tls(client_config(&self.dialler.trust, Expect::Node(peer)).ok()?);
        // A peer that is gone without a word must not be asked over the same dead connection again and again.
        let endpoint = connector
            .endpoint(&known.api_base_url)
            .ok()?
            .http2_keep_alive_interval(self.dialler.heartbeats.down_after)
            .keep_alive_timeout(self.dialler.heartbeats.down_after)
            .keep_alive_while_idle(true);
        let (channel, _) = connector.connect_to(endpoint, &known.api_base_url).await.ok()?;
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, channel.clone());
        Some(channel)
    }

    async fn take(&self, found: FindAccountResponse) -> bool {
        let db = &self.dialler.db;
        let announcements = found.announcements.into_iter().take(EVENTS_MAX).collect();
        let events: Vec<SignedEvent> = found.events.into_iter().take(EVENTS_MAX).collect();
        let taken = match accept::announcements(db, announcements).await {
            Ok(_) => accept::singles(db, events).await,
            Err(error) => Err(error),
        };
        taken.inspect_err(|error| tracing::warn!(error = %error, "an account that a peer sent was refused")).is_ok()
    }
}

impl AccountFinder for Finder {
    fn find(&self, account: Lookup) -> BoxFuture<'_, bool> {
        async move {
            if !self.may_be_behind() || self.unknown.contains(&account) {
                return false;
            }
            let found = timeout(FIND_TIMEOUT, self.ask_all(&account)).await.unwrap_or(Found::Unanswered);
            // Where nobody answered, the next question may be luckier.
            if found == Found::Nowhere {
                self.unknown.insert(account);
            }
            found == Found::Here
        }
        .boxed()
    }
}

impl Dial for Finder {
    fn dial(&self, node: Uuid) -> BoxFuture<'_, Option<Channel>> {
        self.channel(node).boxed()
    }

    fn lost(&self, node: Uuid) {
        self.forget_channel(node);
    }
}

/// The live events of an account that `asker` may have, and the announcements of those who made them.
pub async fn serve(tx: &mut Tx, account: Lookup, asker: SpiffeId) -> Result<FindAccountResponse, storage::Error> {
    let mut response = FindAccountResponse::default();
    let mut origins = std::collections::BTreeSet::new();
    for subject in accounts::account_numbers(tx, &account).await? {
        // However often somebody logged out, what the account is comes first.
        for signed in entries::live_about(tx, subject, &SessionEnded::full_name()).await? {
            let Ok(event) = Event::parse(signed) else { continue };
            if event.header.audience.is_relayed() && event.header.audience.reaches(&asker) {
                origins.insert(event.header.origin);
                response.events.push(event.into_signed());
            }
        }
    }
    for origin in origins {
        if let Some(known) = registry::find(tx, origin).await? {
            response.announcements.extend(entries::get(tx, known.announcement.0, known.announcement.1).await?);
        }
    }
    response.events.truncate(EVENTS_MAX);
    Ok(response)
}

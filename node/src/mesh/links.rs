//! The links that are up at present: at most one a pair of nodes, and not more than a bound. Reachability is what was
//! seen here, on the own links, and nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use codepop_proto::mesh::Presence;
use codepop_shared::identity::{Kind, SpiffeId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    plan::{HUB_LINKS_MAX, STORE_DIALS_MAX, STORE_LINKS_MAX},
    presence::Instance,
};
use crate::app::Sightings;

/// Why a link is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The two are linked already, by the connection that is to stay.
    #[error("the two nodes are linked already")]
    Linked,
    /// The node holds as many links as it may.
    #[error("the node holds as many links as it may")]
    Full,
}

/// What was seen of a node on the own link.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Whether a link is up.
    pub is_linked: bool,
    /// When it was last heard.
    pub last_seen: DateTime<Utc>,
    /// Round-trip time of the last heartbeat.
    pub round_trip: Option<Duration>,
    /// Own events that it has not acknowledged, and how many of them are under way.
    pub lag: (u64, u64),
    /// Own events that it has.
    pub delivered: u64,
    /// Whether its data are known to differ from ours.
    pub differs: bool,
}

struct Link {
    kind: Kind,
    dialled_by_me: bool,
    cut: CancellationToken,
    number: u64,
    /// Its one replication session was opened.
    replicates: bool,
    /// Which run of the peer's program it is with, as far as it said so.
    instance: Option<Instance>,
    /// A run that the peer is asked about, and what it says.
    challenge: watch::Sender<Option<Instance>>,
    presence: watch::Sender<Option<Presence>>,
}

#[derive(Default)]
struct Inner {
    live: HashMap<Uuid, Link>,
    seen: HashMap<Uuid, Sighting>,
    opened: u64,
    hub_heard: Option<DateTime<Utc>>,
}

impl Inner {
    /// How many links others have dialled.
    fn accepted(&self) -> usize {
        self.live.values().filter(|link| !link.dialled_by_me).count()
    }
}

/// The links that are up. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    me: Arc<SpiffeId>,
    inner: Arc<Mutex<Inner>>,
    changes: watch::Sender<u64>,
}

impl Links {
    /// No links yet.
    pub fn new(me: SpiffeId) -> Self {
        Self { me: Arc::new(me), inner: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// Opens a link, unless the pair has one that is to stay or there are too many. Of two connections that cross, the
    /// one dialled by the lower UUID stays; a second one from the same side replaces the first, which must be dead.
    ///
    /// # Errors
    /// Why not.
    pub fn open(&self, peer: &SpiffeId, dialled_by_me: bool) -> Result<LinkGuard, Refused> {
        self.open_with(peer, dialled_by_me, None)
    }

    /// As [`Links::open`], with a run of the peer's program that has said its name.
    ///
    /// # Errors
    /// Why not.
    pub fn open_with(
        &self,
        peer: &SpiffeId,
        dialled_by_me: bool,
        instance: Option<Instance>,
    ) -> Result<LinkGuard, Refused> {
        let mut inner = self.lock();
        if let Some(held) = inner.live.get(&peer.uuid) {
            let lower_dials = if self.me.uuid < peer.uuid { dialled_by_me } else { !dialled_by_me };
            if held.dialled_by_me != dialled_by_me && !lower_dials {
                return Err(Refused::Linked);
            }
            held.cut.cancel();
        } else if !dialled_by_me && peer.kind != Kind::Hub && inner.accepted() >= self.accepted_max() {
            return Err(Refused::Full);
        }
        inner.opened += 1;
        let (number, cut) = (inner.opened, CancellationToken::new());
        let (challenge, presence) = (watch::Sender::new(None), watch::Sender::new(None));
        let challenges = challenge.subscribe();
        let link = Link {
            kind: peer.kind,
            dialled_by_me,
            cut: cut.clone(),
            number,
            replicates: false,
            instance,
            challenge,
            presence,
        };
        inner.live.insert(peer.uuid, link);
        drop(inner);
        self.heard(peer.uuid, None);
        self.changes.send_modify(|version| *version += 1);
        Ok(LinkGuard { links: self.clone(), peer: peer.uuid, number, cut, challenges })
    }

    /// A heartbeat came, perhaps with a round-trip time.
    pub fn heard(&self, peer: Uuid, round_trip: Option<Duration>) {
        let mut inner = self.lock();
        let now = Utc::now();
        if inner.live.get(&peer).is_some_and(|link| link.kind == Kind::Hub) {
            inner.hub_heard = Some(now);
        }
        let sighting = inner.seen.entry(peer).or_insert_with(|| Sighting::new(now));
        sighting.is_linked = true;
        sighting.last_seen = now;
        sighting.round_trip = round_trip.or(sighting.round_trip);
    }

    /// Has the run that a peer is linked with asked whether it is still there, because another run has shown itself. The
    /// answer comes by what is returned; `None` when there is no link with a run that began earlier.
    pub fn challenge(&self, peer: Uuid, other: Instance) -> Option<watch::Receiver<Option<Presence>>> {
        let inner = self.lock();
        let link = inner.live.get(&peer).filter(|link| link.instance.is_some_and(|held| held < other))?;
        let mut answers = link.presence.subscribe();
        answers.mark_unchanged();
        link.challenge.send_replace(Some(other));
        Some(answers)
    }

    /// A peer says that it is still there.
    pub fn present(&self, peer: Uuid, presence: Presence) {
        if let Some(link) = self.lock().live.get(&peer) {
            link.presence.send_replace(Some(presence));
        }
    }

    /// Takes over when nodes were last heard before this start.
    pub fn restore(&self, seen: Vec<(Uuid, DateTime<Utc>)>) {
        let mut inner = self.lock();
        for (node, last_seen) in seen {
            inner.seen.entry(node).or_insert_with(|| Sighting { is_linked: false, ..Sighting::new(last_seen) });
        }
    }

    /// How replication with a peer stands.
    pub fn measured(&self, peer: Uuid, lag: (u64, u64), delivered: u64, differs: bool) {
        if let Some(sighting) = self.lock().seen.get_mut(&peer) {
            sighting.lag = lag;
            sighting.delivered = delivered;
            sighting.differs = differs;
        }
    }

    /// What was seen of all nodes that this one had a link to.
    pub fn sightings(&self) -> HashMap<Uuid, Sighting> {
        self.lock().seen.clone()
    }

    /// Whether a link to a node is up.
    pub fn is_linked(&self, peer: Uuid) -> bool {
        self.lock().live.contains_key(&peer)
    }

    /// Ends the link to a node, if one is up.
    pub fn end(&self, peer: Uuid) {
        if let Some(link) = self.lock().live.get(&peer) {
            link.cut.cancel();
        }
    }

    /// The nodes to which a link is up.
    pub fn linked(&self) -> Vec<Uuid> {
        self.lock().live.keys().copied().collect()
    }

    /// Whether a link to a hub is up. A hub counts as its own.
    pub fn has_hub(&self) -> bool {
        self.me.kind == Kind::Hub || self.lock().live.values().any(|link| link.kind == Kind::Hub)
    }

    /// When a hub was last heard; now, at a hub.
    pub fn hub_heard(&self) -> Option<DateTime<Utc>> {
        if self.me.kind == Kind::Hub { Some(Utc::now()) } else { self.lock().hub_heard }
    }

    /// Changes whenever a link comes up or goes down.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until a link to a node is up. The coming and going of others does not end it: whoever waits before dialling
    /// again waits its whole time.
    pub async fn until_linked(&self, peer: Uuid) {
        let mut changes = self.changes();
        while !self.is_linked(peer) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What ends the link that a node dialled, for its one replication session; `None` without such a link, or when it
    /// has its session.
    pub fn accepted(&self, peer: Uuid) -> Option<CancellationToken> {
        let mut inner = self.lock();
        let link = inner.live.get_mut(&peer).filter(|link| !link.dialled_by_me && !link.replicates)?;
        link.replicates = true;
        Some(link.cut.clone())
    }

    /// Links that others may dial, hubs apart, which are few: own choices are bounded by the plan, these fill the rest.
    fn accepted_max(&self) -> usize {
        if self.me.kind == Kind::Hub { HUB_LINKS_MAX } else { STORE_LINKS_MAX - STORE_DIALS_MAX }
    }

    fn close(&self, peer: Uuid, number: u64) {
        let mut inner = self.lock();
        if inner.live.get(&peer).is_some_and(|link| link.number == number) {
            inner.live.remove(&peer);
            if let Some(sighting) = inner.seen.get_mut(&peer) {
                sighting.is_linked = false;
            }
            drop(inner);
            self.changes.send_modify(|version| *version += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sightings for Links {
    fn last_seen(&self, node: Uuid) -> Option<DateTime<Utc>> {
        if node == self.me.uuid {
            return Some(Utc::now());
        }
        self.lock().seen.get(&node).map(|sighting| sighting.last_seen)
    }

    fn is_linked(&self, node: Uuid) -> bool {
        node == self.me.uuid || Self::is_linked(self, node)
    }
}

impl Sighting {
    fn new(now: DateTime<Utc>) -> Self {
        Self { is_linked: true, last_seen: now, round_trip: None, lag: (0, 0), delivered: 0, differs: true }
    }
}

/// A link that is up for as long as this lives.
pub struct LinkGuard {
    links: Links,
    peer: Uuid,
    number: u64,
    cut: CancellationToken,
    challenges: watch::Receiver<Option<Instance>>,
}

impl LinkGuard {
    /// Runs of the peer's program that have shown themselves, one after the other: the peer is asked about them.
    pub fn challenges(&self) -> watch::Receiver<Option<Instance>> {
        self.challenges.clone()
    }

    /// Ends the link when cancelled.
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

impl Drop for LinkGuard {
    fn drop(&mut self) {
        self.cut.cancel();
        self.links.close(self.peer, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    fn ordered() -> (SpiffeId, SpiffeId) {
        let (a, b) = (name(1_000, "C"), name(1_001, "C"));
        if a.uuid < b.uuid { (a, b) } else { (b, a) }
    }

    #[test]
    fn of_two_that_cross_the_lower_ones_stays() {
        let (low, high) = ordered();
        let at_low = Links::new(low.clone());
        let dialled = at_low.open(&high, true).unwrap();
        assert_eq!(at_low.open(&high, false).err(), Some(Refused::Linked));
        assert!(!dialled.cut().is_cancelled());

        let at_high = Links::new(high);
        let dialled = at_high.open(&low, true).unwrap();
        let accepted = at_high.open(&low, false).unwrap();
        assert!(dialled.cut().is_cancelled() && !accepted.cut().is_cancelled());
        drop(dialled);
        assert!(at_high.is_linked(low.uuid));
        drop(accepted);
        assert!(!at_high.is_linked(low.uuid));
        assert!(!at_high.sightings()[&low.uuid].is_linked);
    }

    #[tokio::test]
    async fn waiting_for_one_link_is_not_ended_by_another() {
        let (low, high) = ordered();
        let links = Links::new(low);
        let mut waiting = std::pin::pin!(links.until_linked(high.uuid));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(links.open(&name(1_002, "C"), true).unwrap());
        // One that came up and went down at once, as when the peer refuses it, is no link either.
        drop(links.open(&high, true).unwrap());
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        let _guard = links.open(&high, false).unwrap();
        assert!(futures::poll!(waiting.as_mut()).is_ready());
    }

    #[test]
    fn only_a_run_that_began_earlier_is_asked_whether_it_is_there() {
        use crate::mesh::presence::begin;
        let (links, peer) = (Links::new(name(1_000, "C")), name(1_001, "C"));
        let (first, second, third) = (begin(), begin(), begin());
        assert!(links.challenge(peer.uuid, second).is_none(), "no link");
        let guard = links.open_with(&peer, false, Some(second)).unwrap();
        assert!(links.challenge(peer.uuid, second).is_none(), "the same run dials again");
        assert!(links.challenge(peer.uuid, first).is_none(), "the earlier one is to stay");
        let mut answers = links.challenge(peer.uuid, third).unwrap();
        assert_eq!(*guard.challenges().borrow(), Some(third));
        assert!(!answers.has_changed().unwrap());
        links.present(peer.uuid, Presence::default());
        assert!(answers.borrow_and_update().is_some());
    }

    #[test]
    fn a_store_holds_no_more_links_than_its_bound() {
        let links = Links::new(name(1_000, "C"));
        let accept = || links.open(&name(1_500, "C"), false);
        let guards: Vec<_> = (0..STORE_LINKS_MAX - STORE_DIALS_MAX).map(|_| accept().unwrap()).collect();
        assert_eq!(accept().err(), Some(Refused::Full));
        assert!(links.open(&name(1, "C"), false).is_ok());
        assert!(links.open(&name(1_501, "C"), true).is_ok());
        drop(guards);
        assert!(links.open(&name(1_501, "C"), false).is_ok());
    }
}

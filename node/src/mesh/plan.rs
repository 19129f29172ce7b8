//! Whom to be linked to. Pure: the registry and what is reachable go in, a bounded set of peers comes out, so that a
//! node's traffic does not grow with the chain.

use std::collections::BTreeSet;

use codepop_shared::{
    geo::Place,
    identity::{Kind, SpiffeId},
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Nearest stores that a store links to.
pub const NEAREST: usize = 3;

/// Peers that a store dials at the most: two hubs, the nearest, two ring neighbours, one far peer.
pub const STORE_DIALS_MAX: usize = 2 + NEAREST + 2 + 1;

/// Links that a store holds at the most: its own choices, and some more for the choices of others.
pub const STORE_LINKS_MAX: usize = STORE_DIALS_MAX + 6;

/// Links that a hub holds at the most: the stores of a large region and all other hubs.
pub const HUB_LINKS_MAX: usize = 2_000;

/// A node as far as planning needs it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its certified name.
    pub id: SpiffeId,
    /// Where it is.
    pub place: Option<Place>,
}

/// The peers that `me` should dial. `away` are hubs that do not answer at present.
pub fn plan(me: &Candidate, all: &[Candidate], away: &BTreeSet<Uuid>) -> BTreeSet<Uuid> {
    let others: Vec<&Candidate> =
        all.iter().filter(|other| other.id.uuid != me.id.uuid && other.id.is_node()).collect();
    let hubs = others.iter().copied().filter(|other| other.id.kind == Kind::Hub);
    if me.id.kind == Kind::Hub {
        return hubs.map(|hub| hub.id.uuid).collect();
    }
    let stores: Vec<&Candidate> = others.iter().copied().filter(|other| other.id.kind == Kind::Store).collect();
    let mut peers = hubs_for(me, hubs.collect(), away);
    peers.extend(nearest(me, &stores));
    peers.extend(ring_neighbours(me, &stores));
    peers.extend(far_peer(me, &stores, &peers));
    peers
}

/// The own hub, and the next one while the own is away.
fn hubs_for(me: &Candidate, mut hubs: Vec<&Candidate>, away: &BTreeSet<Uuid>) -> BTreeSet<Uuid> {
    hubs.sort_by_cached_key(|hub| (hub.id.region != me.id.region, miles(me, hub), hub.id.number));
    let own = hubs.first().map(|hub| hub.id.uuid);
    let next = hubs.iter().skip(1).find(|hub| !away.contains(&hub.id.uuid)).map(|hub| hub.id.uuid);
    let own_is_away = own.is_some_and(|own| away.contains(&own));
    own.into_iter().chain(next.filter(|_| own_is_away)).collect()
}

fn nearest(me: &Candidate, stores: &[&Candidate]) -> Vec<Uuid> {
    let mut stores = stores.to_vec();
    stores.sort_by_cached_key(|store| (miles(me, store), store.id.number));
    stores.iter().take(NEAREST).map(|store| store.id.uuid).collect()
}

/// The stores of the region with the next lower and the next higher number, around the end: so that a region stays
/// joined without its hub, wherever its stores lie.
fn ring_neighbours(me: &Candidate, stores: &[&Candidate]) -> Vec<Uuid> {
    let mut ring: Vec<&&Candidate> = stores.iter().filter(|store| store.id.region == me.id.region).collect();
    ring.sort_by_key(|store| store.id.number);
    let after = ring.iter().find(|store| store.id.number > me.id.number).or(ring.first());
    let before = ring.iter().rev().find(|store| store.id.number < me.id.number).or(ring.last());
    [before, after].into_iter().flatten().map(|store| store.id.uuid).collect()
}

/// One more store from anywhere, the same at every call: the one whose hash together with ours is the lowest.
fn far_peer(me: &Candidate, stores: &[&Candidate], chosen: &BTreeSet<Uuid>) -> Option<Uuid> {
    let rank = |store: &&&Candidate| -> [u8; 32] {
        Sha256::new().chain_update(me.id.uuid).chain_update(store.id.uuid).finalize().into()
    };
    stores.iter().filter(|store| !chosen.contains(&store.id.uuid)).min_by_key(rank).map(|store| store.id.uuid)
}

/// Distance in hundredths of a mile; a node without a place is farther than any other.
fn miles(me: &Candidate, other: &Candidate) -> u64 {
    match (me.place, other.place) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 12,438 miles")]
        (Some(me), Some(other)) => (me.miles_to(other) * 100.0) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    fn node(number: u32, region: &str, at: (f64, f64)) -> Candidate {
        let kind = if number <= 999 { Kind::Hub } else { Kind::Store };
        let id =
            SpiffeId { chain: "t".into(), kind, region: region.into(), number, uuid: Uuid::from_u128(number.into()) };
        Candidate { id, place: Place::new(at.0, at.1) }
    }

    fn chain(stores: u32) -> Vec<Candidate> {
        let regions = ["A", "B", "C"];
        let hubs = (1..=3).map(|n| node(n, regions[n as usize - 1], (40.0, -100.0 - f64::from(n))));
        let stores = (0..stores).map(|n| {
            let spread = f64::from(n * 37 % 100) / 50.0;
            node(1_000 + n, regions[n as usize % 3], (40.0 + spread, -100.0 - f64::from(n % 3) + spread / 3.0))
        });
        hubs.chain(stores).collect()
    }

    #[test]
    fn a_stores_links_do_not_grow_with_the_chain() {
        for size in [10, 100, 400] {
            let all = chain(size);
            for me in all.iter().filter(|node| node.id.kind == Kind::Store) {
                let peers = plan(me, &all, &BTreeSet::new());
                assert!(peers.len() <= 1 + NEAREST + 2 + 1, "{}", peers.len());
                assert!(!peers.contains(&me.id.uuid));
            }
        }
    }

    #[test]
    fn a_region_is_joined_without_its_hub() {
        let all = chain(60);
        let stores: Vec<_> = all.iter().filter(|n| n.id.kind == Kind::Store && n.id.region == "B").collect();
        let mut links: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
        for me in &stores {
            for peer in plan(me, &all, &BTreeSet::new()) {
                links.entry(me.id.uuid).or_default().insert(peer);
                links.entry(peer).or_default().insert(me.id.uuid);
            }
        }
        let (mut seen, mut queue) = (HashSet::new(), vec![stores[0].id.uuid]);
        while let Some(at) = queue.pop() {
            if seen.insert(at) {
                let inside = |peer: &&Uuid| stores.iter().any(|store| store.id.uuid == **peer);
                queue.extend(links[&at].iter().filter(inside));
            }
        }
        assert_eq!(seen.len(), stores.len());
    }

    #[test]
    fn the_next_hub_stands_in_for_the_own() {
        let all = chain(6);
        let me = &all[3];
        let own = plan(me, &all, &BTreeSet::new());
        assert!(own.contains(&Uuid::from_u128(1)) && !own.contains(&Uuid::from_u128(2)));
        let without = plan(me, &all, &BTreeSet::from([Uuid::from_u128(1)]));
        assert!(without.contains(&Uuid::from_u128(1)) && without.contains(&Uuid::from_u128(2)));
    }

    #[test]
    fn hubs_keep_each_other() {
        let all = chain(6);
        assert_eq!(plan(&all[0], &all, &BTreeSet::new()).len(), 2);
    }
}

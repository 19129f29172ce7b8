//! How many event streams may be open, in all and per client. A stream costs a connection, a task and a place at a node
//! for as long as somebody listens.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use codepop_shared::{Code, Failure};
use metrics::gauge;

use super::throttle::network;

/// Streams in all: an eighth of the connections, so that requests always find one.
pub(crate) const STREAMS_MAX: usize = 1024;

/// Streams of one client address: the phones of a household, or of a queue in a store's own network.
pub(crate) const STREAMS_PER_CLIENT_MAX: usize = 32;

/// The streams that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of one stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    client: IpAddr,
}

impl Places {
    /// A place for a client's stream.
    pub(crate) fn take(&self, client: IpAddr) -> Result<Place, Failure> {
        let client = network(client);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= STREAMS_MAX {
            return Err(Failure::new(Code::Overloaded, "The gateway has more streams open than it can."));
        }
        let own = taken.entry(client).or_default();
        if *own >= STREAMS_PER_CLIENT_MAX {
            let detail = format!("One address may have {STREAMS_PER_CLIENT_MAX} streams open at most.");
            return Err(Failure::new(Code::TooManyAttempts, detail));
        }
        *own += 1;
        gauge!("gateway_streams_open").increment(1);
        Ok(Place { places: self.clone(), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        gauge!("gateway_streams_open").decrement(1);
        if let Entry::Occupied(mut own) = taken.entry(self.client) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Places::default();
        let take = |client: u32| places.take(IpAddr::V4(client.into()));
        let mut held: Vec<Place> = (0..STREAMS_PER_CLIENT_MAX).map(|_| take(1).unwrap()).collect();
        assert_eq!(take(1).unwrap_err().code, Code::TooManyAttempts);
        held.pop();
        held.push(take(1).unwrap());
        while held.len() < STREAMS_MAX {
            held.push(take(held.len() as u32).unwrap());
        }
        assert_eq!(take(7_000_000).unwrap_err().code, Code::Overloaded);
        held.clear();
        assert!(places.0.lock().unwrap().is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_refusal_leaves_no_trace() {
        let places = Places::default();
        let held: Vec<Place> =
            (0..STREAMS_MAX as u32).map(|at| places.take(IpAddr::V4((at / 8).into())).unwrap()).collect();
        let known = places.0.lock().unwrap().len();
        assert!(places.take(IpAddr::V4(9_999.into())).is_err());
        assert_eq!(places.0.lock().unwrap().len(), known);
        drop(held);
    }
}

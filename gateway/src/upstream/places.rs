//! Connections that carry streams. A stream keeps its place for as long as somebody listens, and a node takes a bounded
//! number of them a connection; so streams have connections of their own, and never stand in the way of calls.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::grpc::Sender;

/// Streams on one connection: somewhat fewer than the 128 that nodes take, because one that ended here may not have
/// ended there yet.
pub(super) const PLACES: u32 = 100;

/// The stream connections to one node.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Vec<(Sender, Arc<Semaphore>)>>);

impl Places {
    /// A place on an open connection.
    pub(super) fn find(&self) -> Option<(Sender, OwnedSemaphorePermit)> {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|(sender, _)| !sender.is_closed());
        connections.iter().find_map(|(sender, places)| {
            let place = Arc::clone(places).try_acquire_owned().ok()?;
            Some((sender.clone(), place))
        })
    }

    /// Adds a connection.
    pub(super) fn add(&self, sender: Sender) {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push((sender, Arc::new(Semaphore::new(PLACES as usize))));
    }

    /// Ends the connections once their streams are over.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

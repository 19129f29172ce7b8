//! What nobody could tell a moment ago: so that whoever asks for things that do not exist costs one question, not many.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long it is remembered that nobody knew.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// Unknown things that are remembered at the most.
const UNKNOWN_MAX: usize = 10_000;

/// Things that nobody knew.
pub(super) struct Unknown<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Unknown<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Unknown<K> {
    /// Whether nobody knew it a moment ago.
    pub(super) fn contains(&self, thing: &K) -> bool {
        let (mut unknown, now) = (self.lock(), Instant::now());
        unknown.retain(|_, since| now.duration_since(*since) < UNKNOWN_FOR);
        unknown.contains_key(thing)
    }

    /// Remembers that nobody knew it.
    pub(super) fn insert(&self, thing: K) {
        let mut unknown = self.lock();
        if unknown.len() < UNKNOWN_MAX {
            unknown.insert(thing, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_remembered_for_a_moment() {
        let unknown = Unknown::default();
        assert!(!unknown.contains(&7));
        unknown.insert(7);
        assert!(unknown.contains(&7) && !unknown.contains(&8));
        tokio::time::advance(UNKNOWN_FOR).await;
        assert!(!unknown.contains(&7));
        for thing in 0..UNKNOWN_MAX + 5 {
            unknown.insert(thing);
        }
        assert_eq!(unknown.lock().len(), UNKNOWN_MAX);
    }
}

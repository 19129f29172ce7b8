//! A provider that does what a simulated one does, unless the test says otherwise.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::BoxFuture;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    payments::provider::{Fault, Intent, NewIntent, Provider, Refunded, Standing, simulated::Simulated},
    storage::Db,
};

/// The provider.
pub(super) struct Faulty {
    inner: Simulated,
    calls: Mutex<HashMap<&'static str, usize>>,
    standing: Mutex<Option<Standing>>,
    is_away: AtomicBool,
    is_declining: AtomicBool,
    is_mute: AtomicBool,
    /// Something was done, and nobody told.
    pub(super) done: Notify,
}

impl Faulty {
    pub(super) fn new(db: Db) -> Self {
        Self {
            inner: Simulated::new(db),
            calls: Mutex::default(),
            standing: Mutex::default(),
            is_away: AtomicBool::new(false),
            is_declining: AtomicBool::new(false),
            is_mute: AtomicBool::new(false),
            done: Notify::new(),
        }
    }

    /// How often something was asked.
    pub(super) fn calls(&self, name: &str) -> usize {
        self.calls.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// It does not answer at all.
    pub(super) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// It declines refunds.
    pub(super) fn set_declining(&self, is_declining: bool) {
        self.is_declining.store(is_declining, Ordering::SeqCst);
    }

    /// It does what it is asked and never says so.
    pub(super) fn set_mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Ordering::SeqCst);
    }

    /// It says that intents stand so.
    pub(super) fn set_standing(&self, standing: Option<Standing>) {
        *self.standing.lock().unwrap() = standing;
    }

    fn asked(&self, name: &'static str) -> Result<(), Fault> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        if self.is_away.load(Ordering::SeqCst) { Err(Fault::unavailable("away")) } else { Ok(()) }
    }

    async fn say<T>(&self, answer: T) -> T {
        if self.is_mute.load(Ordering::SeqCst) {
            self.done.notify_one();
            std::future::pending::<()>().await;
        }
        answer
    }
}

impl Provider for Faulty {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn publishable_key(&self) -> &str {
        self.inner.publishable_key()
    }

    fn customer<'a>(&'a self, key: &'a str, session: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        Box::pin(async move {
            self.asked("customer")?;
            self.inner.customer(key, session).await
        })
    }

    fn ephemeral_key<'a>(&'a self, customer: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        self.inner.ephemeral_key(customer)
    }

    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            self.asked("create")?;
            self.inner.create(new).await
        })
    }

    fn intent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            self.asked("intent")?;
            let mut intent = self.inner.intent(id).await?;
            intent.standing = self.standing.lock().unwrap().unwrap_or(intent.standing);
            Ok(intent)
        })
    }

    fn capture<'a>(&'a self, key: &'a str, id: &'a str, cents: i64) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            self.asked("capture")?;
            let answer = self.inner.capture(key, id, cents).await;
            self.say(answer).await
        })
    }

    fn cancel<'a>(&'a self, key: &'a str, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            self.asked("cancel")?;
            let answer = self.inner.cancel(key, id).await;
            self.say(answer).await
        })
    }

    fn refund<'a>(
        &'a self,
        key: &'a str,
        id: &'a str,
        refund: Uuid,
        cents: i64,
    ) -> BoxFuture<'a, Result<Refunded, Fault>> {
        Box::pin(async move {
            self.asked("refund")?;
            if self.is_declining.load(Ordering::SeqCst) {
                return Err(Fault::Declined("insufficient_funds".into()));
            }
            let answer = self.inner.refund(key, id, refund, cents).await;
            self.say(answer).await
        })
    }

    fn find_refund<'a>(&'a self, id: &'a str, refund: Uuid) -> BoxFuture<'a, Result<Option<Refunded>, Fault>> {
        self.inner.find_refund(id, refund)
    }
}

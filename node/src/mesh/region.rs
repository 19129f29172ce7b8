//! A hub as the authority of its region: it certifies stores anew before their certificates end. Its key and certificate are
//! read each time, so that a new one counts at once and the key is in memory for no longer than it is needed.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use codepop_shared::{
    Code, Failure,
    authority::{self, RegionFiles},
    identity::{Certified, Kind},
};
use tokio_util::sync::CancellationToken;

use super::replaced;
use crate::{
    identity::Author,
    storage::{self, Db},
};

/// How often it is looked whether the authority of the region is there and good.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end it is warned about, as long as about the node's own certificate.
const WARN_BEFORE: TimeDelta = TimeDelta::days(30);

/// The authority of the hub's region; of no use at a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Region {
    files: RegionFiles,
    problem: Arc<RwLock<Option<String>>>,
}

impl Region {
    /// The one whose files are in a folder of keys and certificates.
    pub fn in_folder(folder: &Path) -> Self {
        Self { files: RegionFiles::in_folder(folder), problem: Arc::default() }
    }

    /// What is to be said about it: that it is missing, or nears its end.
    pub fn problem(&self) -> Option<String> {
        self.problem.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks after it until stopped, at a hub.
    pub async fn watch(self, author: Arc<Author>, stop: CancellationToken) {
        if author.id.kind != Kind::Hub {
            return;
        }
        let mut every = tokio::time::interval(LOOK_EVERY);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            let found = self.look(Arc::clone(&author)).await;
            let is_new = found != self.problem();
            if let Some(problem) = found.as_ref().filter(|_| is_new) {
                tracing::warn!("{problem}");
            }
            *self.problem.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    async fn look(&self, author: Arc<Author>) -> Option<String> {
        let files = self.files.clone();
        let loaded = tokio::task::spawn_blocking(move || files.load(&author.id, &author.ca)).await;
        match loaded {
            Ok(Ok(signer)) if signer.not_after() - Utc::now() >= WARN_BEFORE => None,
            Ok(Ok(signer)) => Some(format!(
                "The authority of the region ends at {}, and what it renews with it: certify the hub anew (pki issue).",
                signer.not_after().format("%Y-%m-%d %H:%M UTC")
            )),
            Ok(Err(error)) => Some(format!(
                "This hub can't renew the certificates of its region's stores: {error}. Run `init` here again, and `pki issue` \
                 with the request."
            )),
            // The program is going down.
            Err(_) => None,
        }
    }

    /// Certifies a caller anew. `held`: what its connection showed. Everything is taken from that.
    ///
    /// # Errors
    /// It is no store of this hub's region or not in its place any more, this hub may not sign or not for longer, or takes
    /// no writes.
    pub async fn renew(&self, db: &Db, held: Option<Arc<Certified>>) -> Result<Certified, Failure> {
        let author = Arc::clone(db.author());
        let held = held.ok_or_else(|| Failure::new(Code::NotAuthenticated, "The caller showed no certificate."))?;
        if author.id.kind != Kind::Hub || held.id.region != author.id.region {
            return Err(Failure::new(Code::AskHub, "Certificates are renewed by a hub of the store's own region."));
        }
        if held.id.kind != Kind::Store || !held.is_valid_at(Utc::now()) {
            return Err(Failure::new(
                Code::Forbidden,
                "Certificates of stores that are good today are renewed, no others.",
            ));
        }
        if let Some(why) = db.fenced() {
            // Whoever may not speak for itself does not for others.
            return Err(Failure::new(Code::Conflict, format!("This hub takes no writes and renews nothing: {why}")));
        }
        let uuid = held.id.uuid;
        let successors = db.read(|tx| Box::pin(replaced::successors(tx))).await;
        if successors.map_err(|error: storage::Error| Failure::from(&error))?.is_replaced(uuid) {
            return Err(Failure::new(Code::Conflict, "Another node has the caller's place."));
        }
        let renewed = self.sign(author, Arc::clone(&held)).await?;
        metrics::counter!("codepop_certificates_renewed_total").increment(1);
        tracing::info!(store = %renewed.id, good_until = %renewed.not_after, "a store's certificate was renewed");
        Ok(renewed)
    }

    async fn sign(&self, author: Arc<Author>, held: Arc<Certified>) -> Result<Certified, Failure> {
        let files = self.files.clone();
        let signed = tokio::task::spawn_blocking(move || {
            files.load(&author.id, &author.ca).and_then(|signer| signer.renew(&held, Utc::now()))
        });
        match signed.await {
            Ok(Ok(renewed)) => Ok(renewed),
            Ok(Err(authority::Error::Renewal(why))) => {
                Err(Failure::new(Code::Conflict, format!("The certificate is not renewed: {why}.")))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a store's certificate could not be renewed");
                let why = "This hub is no authority of its region, or its files are not in order; its log says more.";
                Err(Failure::new(Code::Conflict, why))
            }
            Err(_) => Err(Failure::new(Code::Unavailable, "The hub is about to stop.")),
        }
    }
}

//! What connections are judged by, and what may change while they are open: the own certificate, which is renewed
//! without a restart, and who is refused, which bites connections that are there already.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use chrono::Utc;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Credentials, Error};
use crate::identity::{CaCertificate, Certified};

/// Refused callers that are told why at the same time: they must not take the place of others.
const TOLD_AT_ONCE: usize = 16;

/// Why the holder of a certificate gets no connection although the authority signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For people, also at the other end.
    pub why: String,
    /// Whether the handshake is done all the same, for a moment, so that the caller can be shown what proves it.
    pub is_told: bool,
}

/// Who gets no connection although the chain's authority certified it, itself or through a hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Holders, whatever certificate they show.
    pub holders: HashMap<Uuid, Refusal>,
    /// Hubs that may not certify others any more: what they signed is refused, but for what is spared.
    pub issuers: HashMap<Uuid, Refusal>,
    /// Fingerprints of certificates that such hubs signed while they were trusted.
    pub spared: HashSet<[u8; 32]>,
}

impl Refused {
    /// Why a certificate is refused, if it is.
    pub fn refusal_of(&self, certified: &Certified) -> Option<&Refusal> {
        let by_issuer = || {
            let issuer = certified.issuer.as_ref().and_then(|issuer| self.issuers.get(&issuer.hub.uuid));
            issuer.filter(|_| !self.spared.contains(&certified.fingerprint()))
        };
        self.holders.get(&certified.id.uuid).or_else(by_issuer)
    }
}

impl From<HashMap<Uuid, Refusal>> for Refused {
    fn from(holders: HashMap<Uuid, Refusal>) -> Self {
        Self { holders, ..Self::default() }
    }
}

/// The own credentials and who is refused. Clones are the same thing.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    ca: Arc<CaCertificate>,
    own: RwLock<Credentials>,
    refused: RwLock<Refused>,
    open: Mutex<Open>,
    told: Arc<Semaphore>,
    renewals: watch::Sender<u64>,
}

/// Open connections, by a number of their own: what the other end showed, and what cuts it.
#[derive(Default)]
struct Open {
    last: u64,
    connections: HashMap<u64, (Arc<Certified>, CancellationToken)>,
}

impl Trust {
    /// Begins with these credentials and refuses nobody.
    pub fn new(own: Credentials) -> Self {
        Self(Arc::new(Inner {
            ca: Arc::clone(own.ca()),
            own: RwLock::new(own),
            refused: RwLock::default(),
            open: Mutex::default(),
            told: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
            renewals: watch::Sender::new(0),
        }))
    }

    /// The own credentials at present.
    pub fn credentials(&self) -> Credentials {
        self.0.own.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The authority's certificate.
    pub fn ca(&self) -> &Arc<CaCertificate> {
        &self.0.ca
    }

    /// Shows another certificate on new connections from now on. Those that are open stay as they are.
    ///
    /// # Errors
    /// It is another's, binds another event key, or comes from another authority; nothing has changed then.
    pub fn renew(&self, fresh: Credentials) -> Result<(), Error> {
        let mut own = self.0.own.write().unwrap_or_else(PoisonError::into_inner);
        let (held, new) = (own.certified(), fresh.certified());
        if fresh.ca().der() != self.0.ca.der() {
            return Err(Error::Renewal("ca.pem is the certificate of another authority".to_owned()));
        }
        if new.id != held.id {
            return Err(Error::Renewal(format!("the certificate is that of {}, this is {}", new.id, held.id)));
        }
        if new.event_key != held.event_key {
            return Err(Error::Renewal("the certificate names another event key".to_owned()));
        }
        if !new.is_valid_at(Utc::now()) {
            return Err(Error::Renewal("the certificate is not good today".to_owned()));
        }
        *own = fresh;
        drop(own);
        self.0.renewals.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Changes whenever the own certificate was renewed.
    pub fn renewals(&self) -> watch::Receiver<u64> {
        self.0.renewals.subscribe()
    }

    /// Refuses exactly these from now on. Connections to those who are new among them are cut. Tells how many.
    pub fn refuse(&self, refused: impl Into<Refused>) -> usize {
        let refused = refused.into();
        let before = {
            let mut held = self.0.refused.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, refused.clone())
        };
        let open = self.open();
        let is_fresh = |shown: &Certified| refused.refusal_of(shown).is_some() && before.refusal_of(shown).is_none();
        let cut: Vec<_> = open.connections.values().filter(|(shown, _)| is_fresh(shown)).collect();
        cut.iter().for_each(|(_, connection)| connection.cancel());
        cut.len()
    }

    /// Why a holder is refused whatever it shows, if it is.
    pub fn refusal(&self, holder: Uuid) -> Option<Refusal> {
        self.0.refused.read().unwrap_or_else(PoisonError::into_inner).holders.get(&holder).cloned()
    }

    /// Why a certificate is refused, if it is: for its holder, or for the hub that signed it.
    pub fn refusal_of(&self, certified: &Certified) -> Option<Refusal> {
        self.0.refused.read().unwrap_or_else(PoisonError::into_inner).refusal_of(certified).cloned()
    }

    /// Whether a hub may not certify others any more.
    pub fn is_refused_issuer(&self, hub: Uuid) -> bool {
        self.0.refused.read().unwrap_or_else(PoisonError::into_inner).issuers.contains_key(&hub)
    }

    /// Keeps an open connection in mind, to be cut when its other end is refused.
    pub(super) fn enter(&self, shown: Arc<Certified>, cut: CancellationToken) -> Entered {
        let mut open = self.open();
        open.last += 1;
        let number = open.last;
        open.connections.insert(number, (shown, cut));
        drop(open);
        Entered { trust: self.clone(), number }
    }

    /// Leave to tell a refused caller why, if there is room.
    pub(super) fn tell(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.told).try_acquire_owned().ok()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(self.0.own.read().unwrap_or_else(PoisonError::into_inner).key())
    }
}

impl From<Credentials> for Trust {
    fn from(own: Credentials) -> Self {
        Self::new(own)
    }
}

impl From<&Credentials> for Trust {
    fn from(own: &Credentials) -> Self {
        Self::new(own.clone())
    }
}

impl From<&Self> for Trust {
    fn from(trust: &Self) -> Self {
        trust.clone()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({})", self.credentials().certified().id)
    }
}

/// An open connection that is kept in mind; forgotten when dropped.
pub(super) struct Entered {
    trust: Trust,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.trust.open().connections.remove(&self.number);
    }
}

/// Shows the own certificate as it is at the time of the handshake.
#[derive(Debug)]
pub(super) struct Own(pub(super) Trust);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.key())
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        authority::{Authority, CERTIFICATE_VALID, Order},
        identity::SpiffeId,
        request::KeyMaterial,
    };

    struct Holder {
        id: SpiffeId,
        keys: KeyMaterial,
    }

    impl Holder {
        fn new(number: u32) -> Self {
            let id = format!("spiffe://test/store/C/{number}/{}", Uuid::now_v7()).parse().unwrap();
            Self { id, keys: KeyMaterial::generate(true).unwrap() }
        }

        fn certified(&self, authority: &Authority, valid: Duration) -> Credentials {
            let order = Order {
                id: self.id.clone(),
                event_key: self.keys.event_key(),
                csr: &self.keys.csr(self.id.uuid).unwrap(),
                name: "store",
                dns: &[],
                ips: &[],
                now: Utc::now(),
                valid,
            };
            let pem = authority.issue(order).unwrap();
            Credentials::from_pem(authority.pem(), &pem, &self.keys.tls_pem()).unwrap()
        }
    }

    #[test]
    fn only_a_newer_certificate_of_the_same_holder_takes_the_place() {
        let (ours, theirs) =
            (Authority::create("test", Utc::now()).unwrap(), Authority::create("test", Utc::now()).unwrap());
        let (holder, other) = (Holder::new(1_000), Holder::new(1_001));
        let trust = Trust::new(holder.certified(&ours, CERTIFICATE_VALID / 2));
        let before = trust.credentials().certified().not_after;
        for wrong in [other.certified(&ours, CERTIFICATE_VALID), holder.certified(&theirs, CERTIFICATE_VALID)] {
            assert!(trust.renew(wrong).is_err());
        }
        let rekeyed = Holder { id: holder.id.clone(), keys: KeyMaterial::generate(true).unwrap() };
        assert!(trust.renew(rekeyed.certified(&ours, CERTIFICATE_VALID)).is_err(), "another event key");
        assert_eq!(trust.credentials().certified().not_after, before);
        trust.renew(holder.certified(&ours, CERTIFICATE_VALID)).unwrap();
        assert!(trust.credentials().certified().not_after > before);
    }

    #[test]
    fn who_is_refused_is_cut_and_nobody_else() {
        let authority = Authority::create("test", Utc::now()).unwrap();
        let of = |number| Holder::new(number).certified(&authority, CERTIFICATE_VALID);
        let trust = Trust::new(of(1_000));
        let [bad, good] = [1_001, 1_002].map(|number| Arc::clone(of(number).certified()));
        let shown = [&bad, &bad, &good];
        let cuts = shown.map(|_| CancellationToken::new());
        let entered: Vec<_> =
            shown.iter().zip(&cuts).map(|(shown, cut)| trust.enter(Arc::clone(shown), cut.clone())).collect();
        let refusal = Refusal { why: "revoked".to_owned(), is_told: true };
        assert_eq!(trust.refuse(HashMap::from([(bad.id.uuid, refusal.clone())])), 2);
        assert_eq!(cuts.map(|cut| cut.is_cancelled()), [true, true, false]);
        assert_eq!((trust.refusal(bad.id.uuid), trust.refusal_of(&good)), (Some(refusal.clone()), None));
        assert_eq!(trust.refuse(HashMap::from([(bad.id.uuid, refusal)])), 0, "not cut again");
        drop(entered);
        assert!(trust.open().connections.is_empty());
    }

    #[test]
    fn what_a_refused_hub_signed_is_cut_but_for_what_is_spared() {
        let authority = Authority::create("test", Utc::now()).unwrap();
        let hub = crate::authority::tests::region(&authority, "C", 1);
        let [old, fresh] = [1_000, 1_001].map(|number| {
            let held = Holder::new(number).certified(&authority, CERTIFICATE_VALID / 100);
            Arc::new(hub.renew(held.certified(), Utc::now() + Duration::from_secs(60)).unwrap())
        });
        let trust = Trust::new(Holder::new(1_002).certified(&authority, CERTIFICATE_VALID));
        let cuts = [&old, &fresh].map(|shown| {
            let cut = CancellationToken::new();
            (trust.enter(Arc::clone(shown), cut.clone()), cut)
        });
        let refusal = Refusal { why: "revoked".to_owned(), is_told: false };
        let refused = Refused {
            issuers: HashMap::from([(hub.hub().uuid, refusal.clone())]),
            spared: HashSet::from([old.fingerprint()]),
            ..Refused::default()
        };
        assert_eq!(trust.refuse(refused), 1);
        assert_eq!(cuts.map(|(_, cut)| cut.is_cancelled()), [false, true]);
        assert_eq!((trust.refusal_of(&old), trust.refusal_of(&fresh)), (None, Some(refusal)));
        assert!(trust.refusal(fresh.id.uuid).is_none(), "the holder itself is not");
    }
}

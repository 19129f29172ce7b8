//! Has a store's certificate renewed by a hub of its region before it ends. What the hub sends is checked like a file that an
//! operator put there, and written in the place of the old one; from there on all is as after `pki issue`.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use codepop_proto::mesh::{RenewCertificateRequest, mesh_service_client::MeshServiceClient};
use codepop_shared::{
    files,
    identity::{Certified, Kind},
    tls::{Credentials, TlsFiles, Trust},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{links::Links, registry};
use crate::{app::Dial, storage::Db};

/// How long before its end a certificate is renewed at the latest: longer than any partition that is planned for, and than
/// a holiday. Of one that was made for less than twice as long, half of its life.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(90);

/// How often it is looked whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The first wait after no hub would or could.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// The longest wait: with 90 days left nothing is in a hurry.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The shortest wait, however little is left.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The part of what is left that a wait may take at the most: there are ten tries at least.
const PART_OF_LEFT: u32 = 10;

/// How long a hub may take: it writes nothing.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Has the certificate of this store renewed.
pub struct Renewal {
    /// The database, which knows the hubs.
    pub db: Db,
    /// Which of them are linked.
    pub links: Links,
    /// Connections to them.
    pub dial: Arc<dyn Dial>,
    /// The certificate in use.
    pub trust: Trust,
    /// Where it is kept.
    pub files: TlsFiles,
}

impl Renewal {
    /// Does so until stopped.
    pub async fn run(self, stop: CancellationToken) {
        if self.db.author().id.kind != Kind::Store {
            return;
        }
        let (mut renewals, mut failures) = (self.trust.renewals(), 0);
        loop {
            renewals.borrow_and_update();
            let pause = self.look(&mut failures).await;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = renewals.changed() => failures = 0,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Renews if it is time; how long to rest then.
    async fn look(&self, failures: &mut u32) -> Duration {
        let own = Arc::clone(self.trust.credentials().certified());
        let now = Utc::now();
        let left = (own.not_after - now).to_std().unwrap_or_default();
        let is_orphaned = own.issuer.as_ref().is_some_and(|issuer| self.trust.is_refused_issuer(issuer.hub.uuid));
        // Nobody takes a connection with one that has ended.
        if left.is_zero() || !(is_due(&own, now) || is_orphaned) {
            *failures = 0;
            return LOOK_EVERY.min(left / PART_OF_LEFT).max(SHORTEST_WAIT);
        }
        match self.renew(&own).await {
            Ok(renewed) => {
                *failures = 0;
                tracing::info!(good_until = %renewed.not_after, "a hub renewed this store's certificate");
                SHORTEST_WAIT
            }
            Err(why) => {
                let pause = wait(*failures, left, rand::random());
                *failures = failures.saturating_add(1);
                tracing::warn!(
                    why,
                    good_until = %own.not_after,
                    next_try_secs = pause.as_secs(),
                    "the certificate was not renewed; `pki issue` does it too"
                );
                pause
            }
        }
    }

    async fn renew(&self, own: &Certified) -> Result<Arc<Certified>, String> {
        let mut why = "no hub of the region is known".to_owned();
        for hub in self.hubs().await? {
            match self.renew_by(hub, own).await {
                Ok(renewed) => return Ok(renewed),
                Err(failed) => why = format!("hub {hub}: {failed}"),
            }
        }
        Err(why)
    }

    /// The hubs of the region, those that are linked first: of these the one with the lowest number is the store's own.
    async fn hubs(&self) -> Result<Vec<Uuid>, String> {
        let known = self.db.read(|tx| Box::pin(registry::current(tx))).await.map_err(|error| error.to_string())?;
        let region = &self.db.author().id.region;
        let mut hubs: Vec<_> = known.iter().map(registry::Known::id).collect();
        hubs.retain(|id| id.kind == Kind::Hub && id.region == *region);
        hubs.sort_by_key(|id| (!self.links.is_linked(id.uuid), id.number));
        Ok(hubs.into_iter().map(|id| id.uuid).collect())
    }

    async fn renew_by(&self, hub: Uuid, own: &Certified) -> Result<Arc<Certified>, String> {
        self.require_untouched(own).await?;
        // A connection that is open may show an older certificate.
        self.dial.lost(hub);
        let channel = self.dial.dial(hub).await.ok_or("does not answer")?;
        let mut client = MeshServiceClient::new(channel);
        let asked = timeout(ASK_TIMEOUT, client.renew_certificate(RenewCertificateRequest {})).await;
        let answer = asked.map_err(|_| "no answer in time")?.map_err(|status| status.message().to_owned())?;
        let fresh = check(own, &answer.into_inner().certificate, &self.trust)?;
        let pem = fresh.pem().map_err(|error| error.to_string())?;
        let credentials = self.load(fresh.der.clone()).await?;
        self.require_untouched(own).await?;
        let path = self.files.certificate.clone();
        blocking(move || files::replace(&path, pem.as_bytes())).await?;
        self.trust.renew(credentials).map_err(|error| error.to_string())?;
        Ok(Arc::clone(self.trust.credentials().certified()))
    }

    /// With the key that is in its file, which must fit.
    async fn load(&self, certificate: Vec<u8>) -> Result<Credentials, String> {
        let files = self.files.clone();
        blocking(move || files.load_with(&certificate)).await
    }

    /// Whoever is renewing by hand is not disturbed: the file must have the certificate in use.
    async fn require_untouched(&self, own: &Certified) -> Result<(), String> {
        let files = self.files.clone();
        let found = blocking(move || files.certificate_now()).await?;
        let problem = "node.pem has another certificate than the one in use, and is left alone";
        if found == own.der { Ok(()) } else { Err(problem.to_owned()) }
    }
}

/// Does something with files where nobody waits for it.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, String>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}

/// Whether less is left than should be.
fn is_due(own: &Certified, now: DateTime<Utc>) -> bool {
    let half = TimeDelta::from_std(own.life() / 2).unwrap_or(RENEW_BEFORE);
    own.not_after - now < half.min(RENEW_BEFORE)
}

/// How long to rest after so many failures in a row with so much time left. `random` is uniform in 0..1; the wait is between
/// half and all of the step, so that stores which lost the same hub do not return in step.
fn wait(failures: u32, left: Duration, random: f64) -> Duration {
    let step = FIRST_WAIT.saturating_mul(1 << failures.min(10)).min(LONGEST_WAIT).min(left / PART_OF_LEFT);
    step.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0).max(SHORTEST_WAIT)
}

/// What the hub sent, if it is this store's present certificate with a later end.
fn check(own: &Certified, fresh: &[u8], trust: &Trust) -> Result<Certified, String> {
    let fresh = Certified::verify(fresh, trust.ca()).map_err(|error| error.to_string())?;
    if fresh.id != own.id || fresh.event_key != own.event_key || fresh.replaces != own.replaces {
        Err("sent the certificate of another holder".to_owned())
    } else if fresh.not_after <= own.not_after {
        Err("sent a certificate that ends no later than the present one".to_owned())
    } else if let Some(refusal) = trust.refusal_of(&fresh) {
        Err(refusal.why)
    } else {
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use codepop_shared::tls::{Refusal, Refused};

    use super::*;
    use crate::testing;

    #[test]
    fn it_is_time_when_half_of_a_short_life_or_90_days_are_left() {
        let store = testing::author(testing::name(1_000, "C")).certificate;
        let made_for = |days: i64| {
            let not_after = store.not_before + TimeDelta::hours(1) + TimeDelta::days(days);
            Certified { not_after, ..(*store).clone() }
        };
        for (days, left, due) in
            [(730, 91, false), (730, 89, true), (180, 91, false), (180, 89, true), (10, 6, false), (10, 4, true)]
        {
            let own = made_for(days);
            assert_eq!(is_due(&own, own.not_after - TimeDelta::days(left)), due, "{left} of {days} days left");
        }
    }

    #[test]
    fn waits_grow_and_leave_time_for_more() {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let waits: Vec<_> = (0..9).map(|failures| wait(failures, days(90), 1.0)).collect();
        assert!(waits.is_sorted() && waits[0] == FIRST_WAIT && waits[8] == LONGEST_WAIT, "{waits:?}");
        assert_eq!(wait(8, days(90), 0.0), LONGEST_WAIT / 2);
        assert_eq!(wait(8, Duration::from_secs(20), 1.0), Duration::from_secs(2), "a tenth of what is left");
        assert_eq!(wait(u32::MAX, Duration::ZERO, 0.0), SHORTEST_WAIT);
    }

    #[test]
    fn only_the_own_certificate_with_a_later_end_is_taken_from_a_hub() {
        let (store, other) = (testing::author(testing::name(1_000, "C")), testing::author(testing::name(1_001, "C")));
        let (hub, own) = (testing::region(&testing::name(1, "C")), Arc::clone(&store.certificate));
        let trust = testing::trust();
        let fresh = testing::renewed(&store, &hub);
        assert_eq!(check(&own, &fresh.der, &trust).as_ref(), Ok(&fresh));
        assert!(check(&own, &testing::renewed(&other, &hub).der, &trust).is_err(), "another's");
        let rekeyed = testing::author(store.id.clone());
        assert!(check(&own, &testing::renewed(&rekeyed, &hub).der, &trust).is_err(), "another event key");
        assert!(check(&fresh, &fresh.der, &trust).is_err(), "ends no later");
        assert!(check(&own, &fresh.certificates()[0], &trust).is_err(), "without what proves it");
        assert!(check(&own, b"", &trust).is_err());
        let refusal = Refusal { why: "revoked".to_owned(), is_told: false };
        trust.refuse(Refused { issuers: [(hub.hub().uuid, refusal)].into(), ..Refused::default() });
        assert_eq!(check(&own, &fresh.der, &trust), Err("revoked".to_owned()), "of a hub that is revoked");
    }
}

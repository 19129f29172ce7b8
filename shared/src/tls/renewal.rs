//! Watches the own certificate's files: a new certificate is taken over without a restart, and one that nears its end is
//! talked about.

use std::{fs, time::Duration, time::SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{TlsFiles, Trust};
use crate::identity::{Certified, Kind};

/// How often the files are looked at. SIGHUP has it done at once.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a certificate is warned about: time to notice, and for a holiday of whoever renews it.
const WARN_BEFORE: TimeDelta = TimeDelta::days(30);

/// How often the same is said again.
const SAY_EVERY: TimeDelta = TimeDelta::days(1);

/// How near the end of a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Young,
    /// Past half of its life: it may be renewed.
    Half,
    /// It should be renewed.
    Late,
    Ended,
}

fn age(certified: &Certified, now: DateTime<Utc>) -> Age {
    let left = certified.not_after - now;
    let is_half = left * 2 < certified.not_after - certified.not_before;
    match is_half {
        _ if left <= TimeDelta::zero() => Age::Ended,
        true if left < WARN_BEFORE => Age::Late,
        true => Age::Half,
        false => Age::Young,
    }
}

/// What is to be said about a certificate that ends within 30 days, and is past half of its life.
pub fn warning(certified: &Certified, now: DateTime<Utc>) -> Option<String> {
    let end = certified.not_after.format("%Y-%m-%d %H:%M UTC");
    match age(certified, now) {
        Age::Young | Age::Half => None,
        Age::Late if certified.id.kind == Kind::Store => Some(format!(
            "The certificate ends at {end}, and no hub of the region has renewed it: see to it that one is reached and may do \
             so (region.pem), or renew it by hand (pki issue with the same request)."
        )),
        Age::Late => Some(format!("The certificate ends at {end}: renew it (pki issue with the same request).")),
        Age::Ended => Some(format!(
            "The certificate ended at {end}: nobody takes a connection with it, no hub can renew it any more. Renew it (pki \
             issue)."
        )),
    }
}

/// When the files were written last.
type Written = [Option<SystemTime>; 3];

fn written(files: &TlsFiles) -> Written {
    [&files.ca, &files.certificate, &files.key].map(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
}

/// Takes over what is new in the files and talks about what nears its end, until stopped.
pub async fn keep_renewed(trust: Trust, files: TlsFiles, stop: CancellationToken) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::error!(%error, "SIGHUP can't be listened to; certificates are renewed at restart alone");
            return;
        }
    };
    let (mut seen, mut said) = (written(&files), None);
    loop {
        say_age(&trust, &mut said);
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangups.recv() => seen = [None; 3],
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = written(&files);
        if now != seen {
            seen = now;
            renew(&trust, &files);
        }
    }
}

fn renew(trust: &Trust, files: &TlsFiles) {
    let own = trust.credentials();
    let renewed = files.load().and_then(|fresh| {
        if fresh.certified().der == own.certified().der {
            return Ok(false);
        }
        trust.renew(fresh).map(|()| true)
    });
    match renewed {
        Ok(true) => {
            tracing::info!(good_until = %trust.credentials().certified().not_after, "the certificate was renewed")
        }
        Ok(false) => tracing::info!("the certificate is the same as before"),
        Err(error) => tracing::error!(%error, "the new certificate is not taken; the old one stays"),
    }
}

/// Says how near the end is, once a day and whenever it comes to matter more.
fn say_age(trust: &Trust, said: &mut Option<(Age, DateTime<Utc>)>) {
    let (own, now) = (trust.credentials(), Utc::now());
    let left = own.certified().not_after - now;
    #[allow(clippy::cast_precision_loss, reason = "seconds of a few years")]
    metrics::gauge!("codepop_certificate_expires_seconds").set(left.num_seconds() as f64);
    let age = age(own.certified(), now);
    if said.is_some_and(|(before, when)| before == age && now - when < SAY_EVERY) {
        return;
    }
    *said = Some((age, now));
    match (age, warning(own.certified(), now)) {
        (_, Some(warning)) => tracing::warn!("{warning}"),
        (Age::Half, _) => {
            tracing::info!(days = left.num_days(), "the certificate is past half of its life; it may be renewed")
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified(from: i64, until: i64) -> Certified {
        let time = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);
        let id = "spiffe://test/hub/C/1/01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let (not_before, not_after) = (time(from), time(until));
        Certified { id, event_key: None, replaces: vec![], issuer: None, der: vec![], not_before, not_after }
    }

    #[test]
    fn a_certificate_is_talked_about_in_time() {
        let day = |day| DateTime::UNIX_EPOCH + TimeDelta::days(day);
        let long = certified(0, 730);
        for (at, expected) in [(1, Age::Young), (366, Age::Half), (701, Age::Late), (730, Age::Ended)] {
            assert_eq!(age(&long, day(at)), expected, "day {at}");
        }
        assert!(warning(&long, day(600)).is_none() && warning(&long, day(701)).is_some());
        // One that is good for a week from the start is not complained about at once.
        assert_eq!([age(&certified(0, 7), day(1)), age(&certified(0, 7), day(4))], [Age::Young, Age::Late]);
    }
}

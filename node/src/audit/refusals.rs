//! Refusals: written down after the answer, and so few that nobody can fill the disk or drown others' entries with them.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::Code;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{expire, write};
use crate::{
    auth::Trail,
    storage::{self, Db},
};

/// Refusals that wait to be written; more are only counted in the log.
const QUEUE_MAX: usize = 256;

/// Refusals alike (user, RPC and code) within this time are one entry, and at its end one that counts the rest.
const ALIKE: TimeDelta = TimeDelta::hours(1);

/// Kinds of refusals that are counted at the same time; those of more users wait for the hour to pass.
const KINDS_MAX: usize = 1_024;

/// Entries of refusals in an hour at the most: with 90 days of keeping, about a million rows.
const AN_HOUR_MAX: u32 = 500;

/// How often ended hours and old entries are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Somebody was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Who, and what for.
    pub trail: Trail,
    /// Why.
    pub code: Code,
}

/// Where refusals are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Refusals(mpsc::Sender<Refusal>);

/// What writes them down, to be ended after the last answer was given.
pub struct Writing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Writing {
    /// Writes down what waits and what was only counted so far, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::warn!("the writing of refusals broke off");
        }
    }
}

impl Refusals {
    /// Starts writing them down, and removing entries whose time is over.
    pub fn start(db: Db) -> (Self, Writing) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(db, queue, stop.clone()));
        (Self(sender), Writing { stop, task })
    }

    /// Takes down a refusal; never waits.
    pub fn note(&self, refusal: Refusal) {
        if self.0.try_send(refusal).is_err() {
            metrics::counter!("codepop_audit_refusals_dropped_total").increment(1);
        }
    }
}

async fn keep(db: Db, mut queue: mpsc::Receiver<Refusal>, stop: CancellationToken) {
    let mut bounds = Bounds::default();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        let entries = tokio::select! {
            () = stop.cancelled() => break,
            _ = sweep.tick() => {
                if let Err(error) = db.receive(|tx| Box::pin(expire(tx))).await {
                    tracing::warn!(error = %error, "old audit entries could not be removed");
                }
                bounds.ended(db.clock().wall())
            }
            refusal = queue.recv() => match refusal {
                Some(refusal) => bounds.take(refusal, db.clock().wall()),
                None => break,
            },
        };
        put(&db, entries).await;
    }
    queue.close();
    let mut last = Vec::new();
    while let Some(refusal) = queue.recv().await {
        last.extend(bounds.take(refusal, db.clock().wall()));
    }
    last.extend(bounds.ended(DateTime::<Utc>::MAX_UTC));
    put(&db, last).await;
}

async fn put(db: &Db, entries: Vec<(Refusal, i32)>) {
    if entries.is_empty() {
        return;
    }
    let written = db.write(move |tx| {
        Box::pin(async move {
            for (refusal, repeated) in &entries {
                write(tx, &refusal.trail, refusal.code.word(), *repeated).await?;
            }
            Ok(())
        })
    });
    if let Err::<(), storage::Error>(error) = written.await {
        tracing::warn!(error = %error, "refusals could not be written down");
    }
}

/// What makes refusals alike.
type Kind = (Option<i64>, &'static str, Code);

/// A kind of refusal of which one was written.
struct Counted {
    since: DateTime<Utc>,
    /// The last that was not written, and how many were not.
    more: Option<(Refusal, i32)>,
}

/// Which refusals become entries.
#[derive(Default)]
struct Bounds {
    counted: HashMap<Kind, Counted>,
    hour: Option<DateTime<Utc>>,
    written: u32,
}

impl Bounds {
    /// What is to be written because of a refusal.
    fn take(&mut self, refusal: Refusal, now: DateTime<Utc>) -> Vec<(Refusal, i32)> {
        let mut entries = self.ended(now);
        let kind = (refusal.trail.user, refusal.trail.action, refusal.code);
        if let Some(counted) = self.counted.get_mut(&kind) {
            let before = counted.more.take().map_or(0, |(_, count)| count);
            counted.more = Some((refusal, before.saturating_add(1)));
        } else if self.counted.len() < KINDS_MAX {
            self.counted.insert(kind, Counted { since: now, more: None });
            entries.extend(self.within(now).then_some((refusal, 0)));
        }
        entries
    }

    /// Ends the hours that are over; what was counted in them becomes entries.
    fn ended(&mut self, now: DateTime<Utc>) -> Vec<(Refusal, i32)> {
        let mut more = Vec::new();
        self.counted.retain(|_, counted| {
            // A clock that was set back must not keep an hour open for ever.
            let is_over = now - counted.since >= ALIKE || now < counted.since;
            if is_over {
                more.extend(counted.more.take());
            }
            !is_over
        });
        more.retain(|_| self.within(now));
        more.into_iter().map(|(refusal, count)| (refusal, count - 1)).collect()
    }

    /// Whether one more may be written in this hour.
    fn within(&mut self, now: DateTime<Utc>) -> bool {
        if self.hour.is_none_or(|hour| now - hour >= ALIKE || now < hour) {
            (self.hour, self.written) = (Some(now), 0);
        }
        self.written += 1;
        if self.written > AN_HOUR_MAX {
            metrics::counter!("codepop_audit_refusals_dropped_total").increment(1);
        }
        self.written <= AN_HOUR_MAX
    }
}

#[cfg(test)]
mod tests {
    use codepop_proto::options::Permission;
    use codepop_shared::identity::Kind;
    use uuid::Uuid;

    use super::*;

    fn refusal(user: i64) -> Refusal {
        let trail = Trail {
            user: Some(user),
            caller_kind: Kind::Gateway,
            caller: Uuid::nil(),
            client: [127, 0, 0, 1].into(),
            action: "codepop.x.v1.X/Y",
            permission: Permission::AuditRead,
            place: None,
            target: None,
            detail: None,
        };
        Refusal { trail, code: Code::Forbidden }
    }

    #[test]
    fn refusals_alike_are_counted_and_none_is_lost() {
        let (mut bounds, start) = (Bounds::default(), DateTime::UNIX_EPOCH);
        let mut seen = 0;
        for second in 0..100 {
            let entries = bounds.take(refusal(7), start + TimeDelta::seconds(second));
            assert_eq!(entries.len(), usize::from(second == 0));
            seen += entries.iter().map(|(_, repeated)| 1 + repeated).sum::<i32>();
        }
        assert!(bounds.ended(start + TimeDelta::minutes(59)).is_empty());
        let rest = bounds.ended(start + ALIKE);
        assert_eq!(rest.iter().map(|(_, repeated)| *repeated).collect::<Vec<_>>(), [98]);
        assert_eq!(seen + 99, 100);
        // The next hour begins with an entry of its own.
        assert_eq!(bounds.take(refusal(7), start + ALIKE).len(), 1);
    }

    #[test]
    fn one_hour_holds_so_many_and_no_more() {
        let (mut bounds, start) = (Bounds::default(), DateTime::UNIX_EPOCH);
        let users = 0..5_000;
        let written: usize = users.clone().map(|user| bounds.take(refusal(user), start).len()).sum();
        assert_eq!(written, AN_HOUR_MAX as usize);
        assert!(bounds.counted.len() <= KINDS_MAX);
        let written: usize = users.map(|user| bounds.take(refusal(user), start + ALIKE).len()).sum();
        assert_eq!(written, AN_HOUR_MAX as usize);
    }
}

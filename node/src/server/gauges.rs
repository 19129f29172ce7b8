//! What Prometheus reads between requests: peers, journal, quarantine.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::App, journal::entries, mesh::links::Links, storage};

/// How often the gauges are brought up to date.
const EVERY: Duration = Duration::from_secs(5);

/// Keeps the gauges up to date until stopped.
#[allow(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
pub(super) async fn keep(app: App, links: Links, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let sightings = links.sightings();
        let reachable = sightings.values().filter(|sighting| sighting.is_linked).count();
        metrics::gauge!("codepop_peers_reachable").set(reachable as f64);
        metrics::gauge!("codepop_writes_refused").set(f64::from(u8::from(app.db.fenced().is_some())));
        let counts = app.read(|tx| Box::pin(entries::counts(tx))).await;
        metrics::gauge!("codepop_database_up").set(f64::from(u8::from(counts.is_ok())));
        let Ok((events, quarantined, void)): Result<_, storage::Error> = counts else { continue };
        metrics::gauge!("codepop_journal_events").set(events as f64);
        metrics::gauge!("codepop_journal_quarantined").set(quarantined as f64);
        metrics::gauge!("codepop_journal_void").set(void as f64);
    }
}

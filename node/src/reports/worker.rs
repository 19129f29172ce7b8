//! When a store reports: once at start, and then at most every `NODE_REPORT_SECS`, each time what changed.

use std::time::Duration;

use codepop_shared::identity::Kind;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{BACKFILL_DAYS, own, store};
use crate::{
    app::App,
    journal, maintenance,
    storage::{self, Tx},
    stores,
};

/// Reports until stopped. To be started once the store has described itself. Returns at once at a hub.
pub async fn run(app: App, every: Duration, stop: CancellationToken) {
    if app.author().id.kind != Kind::Store {
        return;
    }
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match stop.run_until_cancelled(once(&app)).await {
            Some(Ok(true)) => tracing::debug!("what changed was reported"),
            Some(Ok(false)) | None => {}
            Some(Err(error)) => tracing::warn!(error = %error, "nothing could be reported; trying again later"),
        }
    }
}

/// Reports what changed. The sums are taken beside the writer, so that orders need not wait for them.
async fn once(app: &App) -> Result<bool, journal::Error> {
    let installed = app.db.write(|tx| Box::pin(maintenance::install(tx))).await;
    installed.map_err(|error| match error {
        maintenance::Error::Storage(error) => error.into(),
        maintenance::Error::Journal(error) => error,
        maintenance::Error::Unknown(_) => journal::Error::Unfit("the machine is not there"),
    })?;
    let now = app.clock().wall();
    let composing = app.db.read_consistent(move |tx| {
        Box::pin(async move {
            let back = days_back(tx, now).await?;
            super::compose(tx, now, back).await
        })
    });
    let composed = composing.await.map_err(|error: storage::Error| error)?;
    match composed {
        Some(composed) => app.db.write(move |tx| Box::pin(super::say(tx, composed))).await,
        None => Ok(false),
    }
}

/// Back to the day before the last that was reported: a day is over only when it was reported the day after.
async fn days_back(tx: &mut Tx, now: chrono::DateTime<chrono::Utc>) -> Result<i32, storage::Error> {
    let own = tx.author.id.uuid;
    let Some(described) = stores::described(tx, own).await? else { return Ok(0) };
    let today = own::day_of(described.time_zone.0, now);
    let newest = store::newest_day(tx, own).await?;
    Ok(newest.map_or(BACKFILL_DAYS, |newest| (today - newest).saturating_add(1).clamp(1, BACKFILL_DAYS)))
}

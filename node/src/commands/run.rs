//! `run`: puts the parts together and serves until told to stop.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use codepop_proto::mesh::NodeAnnounced;
use codepop_shared::{
    identity::Kind,
    request::PKI_FOLDER,
    telemetry::{init_logs, install_recorder, log_filter, serve_metrics},
    tls::{Incoming, Limits, Security, TlsFiles, Trust, keep_renewed, listen_with, server_config},
};
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts,
    app::{App, Dial, once},
    backup::{
        self,
        schedule::{self, Standing},
        vault::Vault,
    },
    catalog,
    clock::Clock,
    config::{Database, RunConfig},
    identity::{Author, DataLock, NodeIdentity, NodeSettings},
    journal::{self, compact::Keep, entries, streams},
    mesh::{
        self, heartbeat, links::Links, plan::HUB_LINKS_MAX, presence, region::Region, registry, renewal::Renewal,
        sightings, trust,
    },
    notifications,
    orders::{self, Orders},
    payments::Payments,
    receipts::Receipts,
    replication::{
        apply::{self, CLOCK_AHEAD},
        carry,
        find::Finder,
        horizon,
        peer::{Away, Dialler},
        repair::Repairer,
        replaced, retry,
        states::States,
        stream::Replicator,
    },
    reports,
    server::{self, Parts},
    staff,
    storage::{self, Db, Location},
    stores,
};

/// How often events that wait for the clock are tried again.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// How often it is kept when nodes were last heard.
const KEEP_SIGHTINGS_EVERY: Duration = Duration::from_secs(30);

/// How often superseded events are dropped.
const COMPACT_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often records of ended sessions whose tokens have run out are dropped.
const FORGET_EXPIRED_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often customers' drinks that are old are looked for.
const REMOVE_OLD_DRINKS_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often a hub looks whether removed things are to be forgotten.
const MOVE_HORIZON_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long a started node holds its own writes for a peer's confirmation that its database is up to date. A link comes
/// up in well under a second; with all peers away the store must sell.
const HOLD_WRITES: Duration = Duration::from_secs(3);

/// Connections that others may hold open: those of a hub's links and of gateways.
const CONNECTIONS_MAX: usize = HUB_LINKS_MAX + 1_000;

/// How long requests under way may take once the node is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn run(config: RunConfig) -> Result<()> {
    init_logs(config.log_format, log_filter().map_err(|why| anyhow!(why))?).map_err(|why| anyhow!(why))?;
    let _lock = DataLock::take(&config.data_dir)?;
    backup::refuse_unfinished(&config.data_dir)?;
    let identity = NodeIdentity::load(&config.data_dir, &config.expected)?;
    let settings =
        NodeSettings::load(&config.data_dir)?.context("the node has no settings: run `codepop-node init`")?;
    let stop = stop_on_signal()?;
    let metrics = install_recorder().map_err(|why| anyhow!(why))?;
    serve_metrics(config.metrics_listen, metrics, stop.clone()).await?;

    let author = Arc::new(identity.author());
    let db = open(&config.data_dir, &config.database, Arc::clone(&author)).await?;
    let links = Links::new(author.id.clone());
    replaced::look(&db, &links).await.context("read who took whose place")?;
    let is_alone = db.read(|tx| Box::pin(registry::all(tx))).await.context("read the registry")?.len() <= 1;
    if !is_alone {
        db.hold_writes(HOLD_WRITES);
    }
    retry::retry_quarantined(&db, None).await?;
    let trust = begin_trust(&db, &identity, &stop).await?;
    links.restore(db.read(|tx| Box::pin(sightings::load(tx))).await.context("read when nodes were last heard")?);
    keep_up(&db, &links, config.keep, &stop);
    let (states, compared) = States::new(db.clone(), config.digest_every);
    let dialler = dialler(&config, &db, &links, &states, &trust);
    let finder = Finder::new(dialler.clone());
    let dial: Arc<dyn Dial> = finder.clone();
    tokio::spawn(Repairer::new(db.clone(), states.clone(), finder.clone()).run(compared, stop.clone()));
    tokio::spawn(states.run(stop.clone()));
    let app = App { finder: finder.clone(), drinks: finder, sightings: Arc::new(links), db: db.clone() };
    let incoming = listen(&config, &trust).await?;
    tracing::info!(node = %author.id, listen = %incoming.address(), name = config.display_name, "the node serves");
    let announced = announcement(&trust, &config);
    let introduction = introduce(app.clone(), announced.clone(), described(&config)?);
    let reporting = reports::run(app.clone(), config.report_every, stop.clone());
    begin(introduction, reporting, is_alone).await?;
    let region = watch_certificate(&config, &app, (dialler.links.clone(), &dial), trust, announced, &stop);
    if !config.insecure {
        tokio::spawn(dialler.clone().run(config.hub_urls.clone(), stop.clone()));
    }
    tidy_up(&app, &stop);
    let backups = begin_backups(&config, &app, &dial, &stop);
    let payments = Payments::new(app.clone(), config.payments);
    tokio::spawn(payments.clone().settle(stop.clone()));
    let orders = Orders::new(app.clone(), payments.clone(), config.robot);
    tokio::spawn(orders::robot::run(orders.clone(), stop.clone()));
    let receipts = Receipts::start(app.clone(), config.mail, &config.data_dir, stop.clone());
    let parts = Parts {
        vault: Vault::of(&config.data_dir),
        region,
        created_at: settings.created_at,
        display_name: config.display_name.clone(),
        hub_silence_max: config.hub_silence_max,
        backups,
        dialler,
        dial,
        payments,
        orders,
        receipts,
        app,
    };
    let serving = server::serve(parts, incoming, stop.clone());
    tokio::select! {
        served = serving => served,
        () = expire(stop) => {
            tracing::warn!("requests under way took too long; the node stops without them");
            Ok(())
        }
    }
}

/// How this node is linked to others.
fn dialler(config: &RunConfig, db: &Db, links: &Links, states: &States, trust: &Trust) -> Dialler {
    Dialler {
        replicator: Replicator::new(db.clone(), links.clone(), states.clone()),
        heartbeats: heartbeat::Config { interval: config.heartbeat_interval, down_after: config.peer_down_after },
        trust: trust.clone(),
        instance: presence::begin(),
        away: Away::default(),
        links: links.clone(),
        db: db.clone(),
    }
}

/// Listens for peers, gateways and the operator.
async fn listen(config: &RunConfig, trust: &Trust) -> Result<Incoming> {
    let socket = TcpListener::bind(config.listen).await.with_context(|| format!("listen on {}", config.listen))?;
    let security = if config.insecure { Security::Plain } else { Security::Tls(server_config(trust)?) };
    let limits = Limits { connections: CONNECTIONS_MAX, ..Limits::default() };
    Ok(listen_with(socket, security, limits)?)
}

/// Keeps the journal and what is known of other nodes in order, from now on.
fn keep_up(db: &Db, links: &Links, keep: Keep, stop: &CancellationToken) {
    tokio::spawn(retry_late(db.clone(), stop.clone()));
    tokio::spawn(compact(db.clone(), keep, stop.clone()));
    tokio::spawn(replaced::watch(db.clone(), links.clone(), stop.clone()));
    tokio::spawn(keep_sightings(db.clone(), links.clone(), stop.clone()));
}

/// Drops what is not to be kept, from now on.
fn tidy_up(app: &App, stop: &CancellationToken) {
    tokio::spawn(forget_deleted(app.db.clone(), stop.clone()));
    tokio::spawn(forget_expired(app.db.clone(), stop.clone()));
    tokio::spawn(remove_old_drinks(app.clone(), stop.clone()));
    if app.author().id.kind == Kind::Hub {
        tokio::spawn(move_horizon(app.db.clone(), stop.clone()));
    }
}

/// Takes backups from now on, if that is wished; where it is told how they stand.
fn begin_backups(config: &RunConfig, app: &App, dial: &Arc<dyn Dial>, stop: &CancellationToken) -> Standing {
    let standing = Standing::default();
    let Some(schedule) = config.backups.clone() else { return standing };
    let to_hub = || Arc::new(carry::ToHub { db: app.db.clone(), dial: Arc::clone(dial) }) as Arc<dyn schedule::Carrier>;
    let task = schedule::Task {
        id: app.author().id.clone(),
        location: location(&config.data_dir, &config.database),
        standing: standing.clone(),
        carrier: schedule.to_hub.then(to_hub),
        config: schedule,
    };
    tokio::spawn(task.run(stop.clone()));
    standing
}

async fn expire(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_TIMEOUT).await;
}

/// Where the database is.
pub(super) fn location(data_dir: &std::path::Path, database: &Database) -> Location {
    match database {
        Database::Sqlite => Location::Sqlite(data_dir.join("node.db")),
        Database::Postgres(url) => Location::Postgres(url.clone()),
    }
}

/// Opens the node's database and goes on where its clock was.
pub(super) async fn open(data_dir: &std::path::Path, database: &Database, author: Arc<Author>) -> Result<Db> {
    let clock = Arc::new(Clock::new(author.id.uuid));
    let (db, migrated) = Db::open(&location(data_dir, database), clock, author).await.context("open the database")?;
    for name in migrated {
        tracing::info!(migration = name, "the database was migrated");
    }
    // What an earlier life said is before what this one says.
    let author = db.author();
    let replaced = author.certificate.replaces.iter().map(|replaced| replaced.uuid);
    let lives: Vec<uuid::Uuid> = replaced.chain([author.id.uuid]).collect();
    let latest = db
        .read(move |tx| {
            Box::pin(async move {
                let mut all = streams::all(tx).await?;
                all.retain(|stream| lives.contains(&stream.origin));
                entries::latest_hlc(tx, &all).await
            })
        })
        .await
        .map_err(|error: storage::Error| error)?;
    if let Some(latest) = latest {
        if db.clock().is_ahead(latest) {
            tracing::warn!(latest = ?latest, "this machine's clock is behind this node's last event: peers may hold its events back until theirs get there");
        }
        db.clock().resume(latest);
    }
    Ok(db)
}

/// Has the node introduce itself, and a store report from then on.
async fn begin<I, R>(introduction: I, reporting: R, is_alone: bool) -> Result<()>
where
    I: Future<Output = Result<()>> + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    if is_alone {
        introduction.await?;
        tokio::spawn(reporting);
        return Ok(());
    }
    // Peers must confirm first that this database is up to date; meanwhile the node serves.
    tokio::spawn(async move {
        if let Err(error) = introduction.await {
            tracing::error!(error = %format!("{error:#}"), "the node could not say what its configuration says");
        }
        reporting.await;
    });
    Ok(())
}

/// Says what the configuration says of this node, if there is anything new in it.
async fn introduce(app: App, announcement: NodeAnnounced, described: stores::Described) -> Result<()> {
    let announced = app.db.write(move |tx| {
        Box::pin(async move {
            registry::announce_self(tx, announcement).await?;
            mesh::replaced::take_place(tx).await
        })
    });
    if announced.await.context("announce the node")? {
        tracing::info!("the node takes the place of those whom its certificate names");
    }
    stores::describe_self(&app, described).await.context("describe the node")
}

/// Judges connections by the own certificate and the registry from now on.
async fn begin_trust(db: &Db, identity: &NodeIdentity, stop: &CancellationToken) -> Result<Trust> {
    let trust = Trust::new(identity.credentials.clone());
    trust::refresh(db, &trust).await.context("read whom to refuse")?;
    tokio::spawn(trust::keep(db.clone(), trust.clone(), stop.clone()));
    Ok(trust)
}

/// Takes over renewed certificates and tells others of them; has a store's own renewed, and a hub look after what it renews
/// with, which is returned.
fn watch_certificate(
    config: &RunConfig,
    app: &App,
    (links, dial): (Links, &Arc<dyn Dial>),
    trust: Trust,
    announced: NodeAnnounced,
    stop: &CancellationToken,
) -> Region {
    let (folder, db) = (config.data_dir.join(PKI_FOLDER), app.db.clone());
    let (files, region) = (TlsFiles::in_folder(&folder), Region::in_folder(&folder));
    tokio::spawn(announce_renewals(db.clone(), trust.clone(), announced, stop.clone()));
    tokio::spawn(keep_renewed(trust.clone(), files.clone(), stop.clone()));
    if !config.insecure {
        let renewal = Renewal { db, links, dial: Arc::clone(dial), trust, files };
        tokio::spawn(renewal.run(stop.clone()));
    }
    tokio::spawn(region.clone().watch(Arc::clone(app.author()), stop.clone()));
    region
}

/// Tells the others of a renewed certificate.
async fn announce_renewals(db: Db, trust: Trust, announced: NodeAnnounced, stop: CancellationToken) {
    let mut renewals = trust.renewals();
    while stop.run_until_cancelled(renewals.changed()).await.is_some_and(|changed| changed.is_ok()) {
        let certificate = trust.credentials().certified().der.clone();
        let announcement = NodeAnnounced { certificate, ..announced.clone() };
        if let Err(error) = db.write(move |tx| Box::pin(registry::announce_self(tx, announcement))).await {
            tracing::warn!(error = %error, "the renewed certificate is announced at the next start");
        }
    }
}

fn announcement(trust: &Trust, config: &RunConfig) -> NodeAnnounced {
    NodeAnnounced {
        certificate: trust.credentials().certified().der.clone(),
        display_name: config.display_name.clone(),
        api_base_url: config.api_url.clone(),
        latitude: config.place.map(|place| place.latitude),
        longitude: config.place.map(|place| place.longitude),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What the stores' list says of this node.
fn described(config: &RunConfig) -> Result<stores::Described> {
    let place =
        config.place.context("NODE_LATITUDE and NODE_LONGITUDE must be set: customers look for stores by place")?;
    Ok(stores::Described {
        name: config.display_name.clone(),
        place,
        api_base_url: config.api_url.clone(),
        time_zone: None,
        region_name: None,
    })
}

/// Drops rows about deleted users whenever personal data was erased.
async fn forget_deleted(db: Db, stop: CancellationToken) {
    let mut erasures = db.erasures();
    loop {
        erasures.borrow_and_update();
        if let Err(error) = db.receive(|tx| Box::pin(apply::forget_deleted(tx))).await {
            tracing::error!(error = %error, "rows about deleted users could not be dropped; trying at the next erasure");
        }
        if stop.run_until_cancelled(erasures.changed()).await.is_none_or(|changed| changed.is_err()) {
            return;
        }
    }
}

/// Drops answers that are no longer kept, some at a time, so that other writers get their turn.
async fn forget_answers(db: &Db) -> Result<(), storage::Error> {
    while db.receive(|tx| Box::pin(once::forget(tx))).await? {}
    Ok(())
}

/// Drops records of ended sessions whose tokens have run out, and notices and answers that are no longer kept.
async fn forget_expired(db: Db, stop: CancellationToken) {
    let mut every = tokio::time::interval(FORGET_EXPIRED_EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if let Err(error) = db.receive(|tx| Box::pin(accounts::forget_expired_sessions(tx))).await {
            tracing::warn!(error = %error, "records of expired sessions could not be dropped");
        }
        if let Err(error) = db.receive(|tx| Box::pin(notifications::forget_old(tx))).await {
            tracing::warn!(error = %error, "old notices could not be dropped");
        }
        if let Err(error) = db.receive(|tx| Box::pin(staff::forget_old(tx))).await {
            tracing::warn!(error = %error, "old invitations could not be dropped");
        }
        if let Err(error) = forget_answers(&db).await {
            tracing::warn!(error = %error, "old answers to idempotency keys could not be dropped");
        }
    }
}

/// Removes customers' drinks that are older than carts live.
async fn remove_old_drinks(app: App, stop: CancellationToken) {
    let mut every = tokio::time::interval(REMOVE_OLD_DRINKS_EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        loop {
            match app.db.write(|tx| Box::pin(catalog::expire(tx))).await {
                Ok(true) if !stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "old drinks could not be removed");
                    break;
                }
            }
        }
    }
}

/// Has the chain forget what was removed long ago.
async fn move_horizon(db: Db, stop: CancellationToken) {
    let mut every = tokio::time::interval(MOVE_HORIZON_EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        match db.write(|tx| Box::pin(horizon::advance(tx))).await {
            Ok(true) => tracing::info!(days = horizon::REMEMBERED.num_days(), "what was removed before is forgotten"),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "the horizon could not be moved; trying again"),
        }
    }
}

async fn keep_sightings(db: Db, links: Links, stop: CancellationToken) {
    let mut every = tokio::time::interval(KEEP_SIGHTINGS_EVERY);
    loop {
        let stopped = stop.run_until_cancelled(every.tick()).await.is_none();
        let seen: Vec<_> = links.sightings().iter().map(|(node, sighting)| (*node, sighting.last_seen)).collect();
        if let Err(error) = db.receive(move |tx| Box::pin(sightings::save(tx, seen))).await {
            tracing::warn!(error = %error, "when nodes were last heard could not be kept");
        }
        if stopped {
            return;
        }
    }
}

/// Drops superseded events that need not be kept: every hour, more often when they are kept for less than that.
async fn compact(db: Db, keep: Keep, stop: CancellationToken) {
    let mut every = tokio::time::interval(COMPACT_EVERY.min(keep.age));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        match journal::compact::compact(&db, keep).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "superseded events were dropped from the journal"),
            Err(error) => tracing::warn!(error = %error, "the journal could not be compacted; trying again"),
        }
    }
}

async fn retry_late(db: Db, stop: CancellationToken) {
    let mut every = tokio::time::interval(RETRY_EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        match retry::retry_quarantined(&db, Some(CLOCK_AHEAD)).await {
            Ok(0) => {}
            Ok(applied) => tracing::info!(applied, "events that waited for the clock were applied"),
            Err(error) => tracing::warn!(error = %error, "events that wait for the clock could not be tried"),
        }
    }
}

fn stop_on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop; requests under way are finished");
        told.cancel();
    });
    Ok(stop)
}

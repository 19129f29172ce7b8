//! What `run` and `migrate` are told: the stored settings of `init`, overridden by environment and command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use codepop_shared::{geo::Place, telemetry::LogFormat};

use super::{
    Database, Refused, backup,
    cli::ImportLegacyArgs,
    init::GivenIdentity,
    mail, payments,
    setting::{
        API_URL, DATABASE, DIGEST, DOWN, HEARTBEAT, HUB_SILENCE, HUBS, JOURNAL_BYTES, JOURNAL_KEEP, LEGACY, LISTEN,
        LOG, METRICS, REPORT, ROBOT, ROBOT_SPEED, Values,
    },
    values,
};
use crate::{
    backup::schedule,
    identity::{Expected, NodeSettings},
    journal::compact::Keep,
    legacy::{Options, Source},
    orders::Robot,
    payments::Settings,
    receipts::MailSettings,
};

/// Times between heartbeats that are allowed, in milliseconds: often enough to notice, seldom enough to cost nothing.
const HEARTBEAT_RANGE: std::ops::RangeInclusive<u64> = 50..=60_000;

/// Times after which a peer counts as down, in milliseconds. Never more than two minutes, as the plan has it (Task 0.3).
const DOWN_RANGE: std::ops::RangeInclusive<u64> = 100..=120_000;

/// Seconds for which superseded events may be kept: up to a year.
const KEEP_RANGE: std::ops::RangeInclusive<u64> = 1..=365 * 24 * 60 * 60;

/// Bytes of superseded events that may be kept: from one batch to a terabyte.
const JOURNAL_BYTES_RANGE: std::ops::RangeInclusive<u64> = 1_048_576..=1_099_511_627_776;

/// How long roles for regions and the chain may hold without word from a hub, in seconds. The setting can only shorten it:
/// a longer silence would let a cut-off store believe for days what was revoked long ago.
const HUB_SILENCE_RANGE: std::ops::RangeInclusive<u64> = 1..=3_600;

/// Factors of the robot's speed that are allowed: at the highest, a drink takes some ten milliseconds.
const SPEED_RANGE: std::ops::RangeInclusive<u64> = 1..=10_000;

/// Times between reports that are allowed, in seconds: not every moment, and so that a region is seen within the hour.
const REPORT_RANGE: std::ops::RangeInclusive<u64> = 1..=3_600;

/// Times between digests of the state that are allowed, in seconds: a difference is looked for every hour at least.
const DIGEST_RANGE: std::ops::RangeInclusive<u64> = 1..=3_600;

/// Settings of `run`.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Folder of the node's files.
    pub data_dir: PathBuf,
    /// What the certificate must agree with.
    pub expected: Expected,
    /// Name for people.
    pub display_name: String,
    /// Address at which others reach the node.
    pub api_url: String,
    /// Where it is.
    pub place: Option<Place>,
    /// Addresses of hubs to begin with.
    pub hub_urls: Vec<String>,
    /// Its database.
    pub database: Database,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Address for metrics.
    pub metrics_listen: SocketAddr,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Silence after which a peer counts as down.
    pub peer_down_after: Duration,
    /// How much of what was superseded is kept.
    pub keep: Keep,
    /// How long roles for regions and the chain hold without word from a hub.
    pub hub_silence_max: Duration,
    /// Who makes the drinks.
    pub robot: Robot,
    /// Time between two reports of a store at the least.
    pub report_every: Duration,
    /// Time between two digests of the state at the least.
    pub digest_every: Duration,
    /// How customers pay.
    pub payments: Settings,
    /// Backups while it runs, if any.
    pub backups: Option<schedule::Config>,
    /// The mail server for receipts.
    pub mail: Option<MailSettings>,
    /// Plain text on loopback instead of TLS.
    pub insecure: bool,
}

/// Settings of `migrate`.
#[derive(Clone, Debug)]
pub struct MigrateConfig {
    /// Folder of the node's files.
    pub data_dir: PathBuf,
    /// Its database.
    pub database: Database,
}

impl RunConfig {
    pub(super) fn read(values: &Values<'_>, insecure: bool) -> Result<Self, Refused> {
        let (data_dir, given) = (values.data_dir()?, GivenIdentity::read(values)?);
        let listen = values.require(LISTEN, values::listen)?;
        if insecure && !listen.ip().to_canonical().is_loopback() {
            return Err(values.refuse(LISTEN, &listen.to_string(), "must be loopback with --insecure"));
        }
        let (heartbeat_interval, peer_down_after) = times(values)?;
        let metrics_listen = values.require(METRICS, values::listen)?;
        let log_format = values.require(LOG, str::parse)?;
        let database = database(values)?;
        let payments = payments::read(values)?;
        // Judged before any file is looked for.
        let (keep, hub_silence_max) = (keep(values)?, hub_silence(values)?);
        let (report_every, robot) = (report_every(values)?, robot(values)?);
        let backups = backup::scheduled(values)?;
        let digest_every = digest_every(values)?;
        let stored = NodeSettings::require(&data_dir).map_err(|e| Refused::plain(e.to_string()))?;
        let api_url = given.api_url.or(stored.api_url).or_else(|| url_of(listen, insecure));
        let api_url = api_url.ok_or_else(|| {
            let option = format!("{} (or {})", API_URL.option, API_URL.variable);
            Refused::plain(format!("{option} is not set: must be https://host:port, because {listen} is no address"))
        })?;
        let config = Self {
            expected: Expected {
                node_id: Some(given.node_id.unwrap_or(stored.uuid)),
                kind: Some(given.kind.unwrap_or(stored.node_type)),
                region: Some(given.region.unwrap_or(stored.region)),
            },
            display_name: given.display_name.unwrap_or(stored.display_name),
            place: given.place.or_else(|| Place::new(stored.latitude?, stored.longitude?)),
            hub_urls: given.hub_urls.unwrap_or(stored.hub_urls),
            data_dir,
            api_url,
            database,
            listen,
            metrics_listen,
            log_format,
            heartbeat_interval,
            peer_down_after,
            keep,
            hub_silence_max,
            payments,
            robot,
            report_every,
            backups,
            digest_every,
            mail: mail::read(values)?,
            insecure,
        };
        config.check_schemes()?;
        Ok(config)
    }

    /// With TLS nobody is told a plain address, and without it nobody an encrypted one.
    fn check_schemes(&self) -> Result<(), Refused> {
        let scheme = if self.insecure { "http://" } else { "https://" };
        let with = if self.insecure { "with" } else { "without" };
        let urls = std::iter::once((API_URL, &self.api_url)).chain(self.hub_urls.iter().map(|url| (HUBS, url)));
        match urls.into_iter().find(|(_, url)| !url.starts_with(scheme)) {
            None => Ok(()),
            Some((setting, url)) => {
                Err(Refused::value(setting.variable, url, format!("must begin with {scheme} {with} --insecure")))
            }
        }
    }
}

/// Settings of `import-legacy`.
#[derive(Clone, Debug)]
pub struct ImportConfig {
    /// Folder of the node's files.
    pub data_dir: PathBuf,
    /// Its database.
    pub database: Database,
    /// The old database.
    pub source: Source,
    /// How to import it.
    pub options: Options,
}

impl ImportConfig {
    pub(super) fn read(values: &Values<'_>, args: ImportLegacyArgs) -> Result<Self, Refused> {
        let source = match (values.text(LEGACY), args.dump) {
            (Some(_), Some(_)) if values.name(LEGACY) == LEGACY.option => {
                return Err(Refused::plain("--from and --dump are both given: the old database is in one place"));
            }
            (_, Some(dump)) => Source::Dump(dump),
            (Some(url), None) => Source::Live(live(values, url)?),
            (None, None) => {
                return Err(Refused::plain("say where the old database is: --from postgres://… or --dump FILE"));
            }
        };
        let options =
            Options { dry_run: args.dry_run, abandoned_carts: args.include_abandoned_carts, name: args.source_name };
        Ok(Self { data_dir: values.data_dir()?, database: database(values)?, source, options })
    }
}

impl MigrateConfig {
    pub(super) fn read(values: &Values<'_>) -> Result<Self, Refused> {
        Ok(Self { data_dir: values.data_dir()?, database: database(values)? })
    }
}

fn live(values: &Values<'_>, url: &str) -> Result<String, Refused> {
    match values::database(url) {
        Ok(Database::Postgres(url)) => Ok(url),
        Ok(Database::Sqlite) | Err(_) => {
            let allowed = "must be postgres://user:password@host:port/database";
            Err(values.refuse(LEGACY, &values::database_shown(url), allowed))
        }
    }
}

/// The address that others use when only the one listened on is known.
fn url_of(listen: SocketAddr, insecure: bool) -> Option<String> {
    let usable = !listen.ip().is_unspecified() && listen.port() != 0;
    usable.then(|| format!("{}://{listen}", if insecure { "http" } else { "https" }))
}

fn times(values: &Values<'_>) -> Result<(Duration, Duration), Refused> {
    let heartbeat = values.require(HEARTBEAT, |text| values::millis(text, HEARTBEAT_RANGE))?;
    let down = values.require(DOWN, |text| values::millis(text, DOWN_RANGE))?;
    if down < heartbeat * 2 {
        // One lost heartbeat is no reason to give a peer up.
        let text = down.as_millis().to_string();
        return Err(values.refuse(DOWN, &text, "must be at least twice the heartbeat interval"));
    }
    Ok((heartbeat, down))
}

fn hub_silence(values: &Values<'_>) -> Result<Duration, Refused> {
    values.require(HUB_SILENCE, |text| values::whole(text, HUB_SILENCE_RANGE).map(Duration::from_secs))
}

fn robot(values: &Values<'_>) -> Result<Robot, Refused> {
    let works = values.require(ROBOT, |word| match word {
        "simulated" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be simulated or off"),
    })?;
    let speed = values.require(ROBOT_SPEED, |text| values::whole(text, SPEED_RANGE))?;
    Ok(Robot { works, speed: u32::try_from(speed).unwrap_or(u32::MAX) })
}

fn keep(values: &Values<'_>) -> Result<Keep, Refused> {
    let age = values.require(JOURNAL_KEEP, |text| values::whole(text, KEEP_RANGE))?;
    let bytes = values.require(JOURNAL_BYTES, |text| values::whole(text, JOURNAL_BYTES_RANGE))?;
    Ok(Keep { age: Duration::from_secs(age), bytes })
}

fn report_every(values: &Values<'_>) -> Result<Duration, Refused> {
    values.require(REPORT, |text| values::whole(text, REPORT_RANGE)).map(Duration::from_secs)
}

pub(super) fn database(values: &Values<'_>) -> Result<Database, Refused> {
    let Some(text) = values.text(DATABASE) else {
        return Ok(Database::Sqlite);
    };
    values::database(text).map_err(|allowed| values.refuse(DATABASE, &values::database_shown(text), allowed))
}

fn digest_every(values: &Values<'_>) -> Result<Duration, Refused> {
    values.require(DIGEST, |text| values::whole(text, DIGEST_RANGE)).map(Duration::from_secs)
}

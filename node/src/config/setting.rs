//! Reads single settings and says where a wrong one came from.

use std::{fmt, path::PathBuf, time::Duration};

use clap::{ArgMatches, parser::ValueSource};

/// Longest piece of a wrong value that is repeated.
const SHOWN_MAX: usize = 80;

/// Longest life of a certificate in days: two years.
const DAYS_MAX: u64 = 730;

/// A setting that is not allowed, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// A mistake that is no single value's.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A value that is not allowed: its name, the value and what is.
    pub fn value(name: &str, value: &str, allowed: impl fmt::Display) -> Self {
        Self(format!("{name} is \"{}\": {allowed}", shown(value)))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// A setting's names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// The field in [`super::cli`].
    pub(super) id: &'static str,
    /// The option.
    pub(super) option: &'static str,
    /// The environment variable.
    pub(super) variable: &'static str,
    /// What holds when it is not given.
    pub(super) default: &'static str,
}

macro_rules! settings {
    ($($name:ident = $id:literal, $option:literal, $variable:literal, $default:literal;)+) => {
        /// What holds when nothing is given; empty when nothing does.
        pub(super) mod defaults {
            $(#[allow(dead_code, reason = "not every setting has one")] pub(in super::super) const $name: &str = $default;)+
        }
        $(pub(super) const $name: Setting =
            Setting { id: $id, option: $option, variable: $variable, default: defaults::$name };)+
        /// Every setting that can come from the environment.
        #[cfg(test)]
        pub(super) const ALL: &[Setting] = &[$($name,)+];
    };
}

settings! {
    NODE_ID = "node_id", "--node-id", "NODE_ID", "";
    NODE_TYPE = "node_type", "--type", "NODE_TYPE", "";
    NAME = "display_name", "--name", "NODE_DISPLAY_NAME", "";
    API_URL = "api_url", "--api-url", "NODE_API_URL", "";
    LATITUDE = "latitude", "--lat", "NODE_LATITUDE", "";
    LONGITUDE = "longitude", "--lon", "NODE_LONGITUDE", "";
    REGION = "region", "--region", "SUPPLY_HUB_REGION", "";
    HUBS = "hub_urls", "--hub", "SUPPLY_HUB_URL", "";
    DATABASE = "database_url", "--database-url", "DATABASE_URL", "";
    DATA_DIR = "data_dir", "--data-dir", "NODE_DATA_DIR", "data";
    LISTEN = "listen", "--listen", "NODE_LISTEN", "127.0.0.1:7101";
    METRICS = "metrics_listen", "--metrics-listen", "METRICS_LISTEN", "127.0.0.1:0";
    LOG = "log_format", "--log-format", "LOG_FORMAT", "text";
    JOURNAL_KEEP = "journal_keep_secs", "--journal-keep-secs", "NODE_JOURNAL_KEEP_SECS", "2592000";
    JOURNAL_BYTES = "journal_bytes", "--journal-bytes", "NODE_JOURNAL_BYTES", "268435456";
    HEARTBEAT = "heartbeat_interval_ms", "--heartbeat-interval-ms", "HEARTBEAT_INTERVAL_MS", "2000";
    DOWN = "peer_down_after_ms", "--peer-down-after-ms", "PEER_DOWN_AFTER_MS", "6000";
    HUB_SILENCE = "hub_silence_max", "--hub-silence-max", "NODE_HUB_SILENCE_MAX", "3600";
    LEGACY = "from", "--from", "LEGACY_DATABASE_URL", "";
    PROVIDER = "payment_provider", "--payment-provider", "PAYMENT_PROVIDER", "simulated";
    STRIPE_SECRET = "stripe_secret_key", "--stripe-secret-key", "STRIPE_SECRET_KEY", "";
    STRIPE_PUBLISHABLE = "stripe_publishable_key", "--stripe-publishable-key", "STRIPE_PUBLISHABLE_KEY", "";
    STRIPE_WEBHOOK = "stripe_webhook_secret", "--stripe-webhook-secret", "STRIPE_WEBHOOK_SECRET", "";
    STRIPE_BASE = "stripe_api_base", "--stripe-api-base", "STRIPE_API_BASE", "https://api.stripe.com";
    SMTP_URL = "smtp_url", "--smtp-url", "SMTP_URL", "";
    SMTP_FROM = "smtp_from", "--smtp-from", "SMTP_FROM", "";
    ROBOT = "robot", "--robot", "ROBOT", "simulated";
    ROBOT_SPEED = "robot_speed", "--robot-speed", "ROBOT_SPEED", "1";
    DIGEST = "digest_secs", "--digest-secs", "NODE_DIGEST_SECS", "60";
    REPORT = "report_secs", "--report-secs", "NODE_REPORT_SECS", "300";
    BACKUP_DIR = "backup_dir", "--backup-dir", "NODE_BACKUP_DIR", "";
    BACKUP_EVERY = "backup_every_secs", "--backup-every-secs", "NODE_BACKUP_EVERY_SECS", "86400";
    BACKUP_KEEP = "backup_keep", "--backup-keep", "NODE_BACKUP_KEEP", "7";
    BACKUP_RECIPIENT = "recipient", "--recipient", "NODE_BACKUP_RECIPIENT", "";
    BACKUP_TO_HUB = "backup_to_hub", "--backup-to-hub", "NODE_BACKUP_TO_HUB", "0";
    NODE = "node_url", "--node", "NODE_API_URL", "https://127.0.0.1:7101";
}

/// The settings given.
pub(super) struct Values<'a>(&'a ArgMatches);

impl<'a> Values<'a> {
    pub(super) fn new(matches: &'a ArgMatches) -> Self {
        Self(matches)
    }

    /// The text of a setting; an empty variable is as good as none.
    pub(super) fn text(&self, setting: Setting) -> Option<&'a str> {
        let text = self.0.try_get_one::<String>(setting.id).ok().flatten()?;
        let from_environment = self.0.value_source(setting.id) == Some(ValueSource::EnvVariable);
        (!(text.is_empty() && from_environment)).then_some(text)
    }

    /// The name under which a setting was given.
    pub(super) fn name(&self, setting: Setting) -> &'static str {
        match self.0.value_source(setting.id) {
            Some(ValueSource::CommandLine) => setting.option,
            _ => setting.variable,
        }
    }

    /// A setting, if it is given.
    pub(super) fn get<T, P: fmt::Display>(
        &self,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.text(setting) else {
            return Ok(None);
        };
        parse(text).map(Some).map_err(|allowed| self.refuse(setting, text, allowed))
    }

    /// A setting that must be given or has a default.
    pub(super) fn require<T, P: fmt::Display>(
        &self,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Result<T, Refused> {
        let text = self.text(setting).unwrap_or(setting.default);
        match parse(text) {
            Ok(value) => Ok(value),
            Err(allowed) if text.is_empty() => {
                Err(Refused(format!("{} (or {}) is not set: {allowed}", setting.option, setting.variable)))
            }
            Err(allowed) => Err(self.refuse(setting, text, allowed)),
        }
    }

    /// The refusal of a value.
    pub(super) fn refuse(&self, setting: Setting, text: &str, allowed: impl fmt::Display) -> Refused {
        Refused::value(self.name(setting), text, allowed)
    }

    /// The node's folder.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Refused> {
        self.require(DATA_DIR, |text| if text.is_empty() { Err("must be a folder") } else { Ok(text.into()) })
    }

    /// A node number from an option that has no variable.
    pub(super) fn number(&self, id: &str, option: &str) -> Result<Option<u32>, Refused> {
        let Some(text) = self.0.try_get_one::<String>(id).ok().flatten() else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| Refused::value(option, text, "must be a node number from 1 to 99999"))
    }
}

/// How long a certificate is to be good.
pub(super) fn days(text: &str) -> Result<Duration, Refused> {
    let days = text.parse().ok().filter(|days: &u64| (1..=DAYS_MAX).contains(days));
    days.map(|days| Duration::from_secs(days * 24 * 60 * 60))
        .ok_or_else(|| Refused::value("--days", text, format!("must be 1 to {DAYS_MAX}")))
}

/// A host name or address to certify.
pub(super) fn host(text: &str) -> Result<String, Refused> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = text.len() <= 253 && text.split('.').all(label);
    if text.parse::<std::net::IpAddr>().is_ok() || is_name {
        return Ok(text.to_owned());
    }
    Err(Refused::value("--host", text, "must be a host name or an IP address"))
}

fn shown(value: &str) -> String {
    let mut text: String = value.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    if value.chars().count() > SHOWN_MAX {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_names_are_those_that_clap_knows() {
        let cli = super::super::cli::Cli::command();
        cli.clone().debug_assert();
        let args: Vec<_> = cli.get_subcommands().flat_map(|command| command.get_arguments()).collect();
        for setting in ALL {
            let known = args.iter().any(|arg| {
                arg.get_id() == setting.id
                    && arg.get_long() == Some(setting.option.trim_start_matches('-'))
                    && arg.get_env().is_some_and(|env| env == setting.variable)
            });
            assert!(known, "{setting:?}");
        }
    }

    #[test]
    fn the_example_names_every_variable() {
        let example = include_str!("../../../.env.example");
        for setting in ALL {
            let line = format!("\n{}=", setting.variable);
            assert!(example.contains(&line), "{}", setting.variable);
        }
    }

    #[test]
    fn the_page_about_deployment_names_every_setting() {
        let page = include_str!("../../../docs/DEPLOYMENT.md");
        for setting in ALL {
            let named = |name: &str| page.contains(&format!("`{name}`"));
            assert!(named(setting.variable) && named(setting.option), "{setting:?}");
        }
    }

    #[test]
    fn hosts() {
        for good in ["store-1.example.org", "10.0.0.1", "::1", "localhost"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "-a", "a..b", "http://a", "*.example.org", "ü"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}

//! What `seed` is told.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::{Refused, cli::SeedArgs};
use crate::seed::Profile;

/// Most days of orders: a year. More is no test of anything, and takes as long as it sounds.
const DAYS_MAX: u32 = 366;

/// Nodes that get a port each, one after the other, and the gateway's before them.
const PORTS_MAX: u16 = 100;

/// Where the gateway and the first node listen unless told otherwise.
const PORTS: (u16, u16) = (8000, 7100);

/// Settings of `seed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedConfig {
    /// What to make; `None` with `clear` alone.
    pub profile: Option<Profile>,
    /// The folder in which it is made.
    pub dir: PathBuf,
    /// Where chance begins.
    pub seed: u64,
    /// Days of orders.
    pub days: u32,
    /// The last of them; the latest possible when left out.
    pub until: Option<NaiveDate>,
    /// Whether what was made before is removed first.
    pub clear: bool,
    /// Where the gateway listens.
    pub gateway_port: u16,
    /// Where the first node listens; the others on the ports after it.
    pub node_port: u16,
    /// A folder for tables.
    pub csv: Option<PathBuf>,
    /// A file with the password of all accounts; a random one when left out.
    pub password_file: Option<PathBuf>,
}

impl SeedConfig {
    pub(super) fn read(args: SeedArgs) -> Result<Self, Refused> {
        let profile = args
            .profile
            .as_deref()
            .map(|word| Profile::parse(word).ok_or_else(|| Refused::value("--profile", word, "must be demo or chain")));
        let profile = profile.transpose()?;
        if profile.is_none() && !args.clear {
            return Err(Refused::plain("--profile is not set: must be demo or chain (or --clear, to remove alone)"));
        }
        if profile.is_none() && (args.csv.is_some() || args.password_file.is_some()) {
            return Err(Refused::plain("--profile is not set: must be demo or chain, or there is nothing to write"));
        }
        let (gateway_port, node_port) = ports(args.port_base.as_deref())?;
        Ok(Self {
            profile,
            dir: args.dir,
            seed: number("--seed", &args.seed, 0..=u64::MAX, "must be a number from 0 to 2^64 - 1")?,
            days: number("--days", &args.days, 1..=DAYS_MAX, &format!("must be 1 to {DAYS_MAX}"))?,
            until: args.until.as_deref().map(date).transpose()?,
            clear: args.clear,
            gateway_port,
            node_port,
            csv: args.csv,
            password_file: args.password_file,
        })
    }
}

fn number<T: std::str::FromStr + PartialOrd>(
    name: &str,
    text: &str,
    range: std::ops::RangeInclusive<T>,
    allowed: &str,
) -> Result<T, Refused> {
    let value = text.parse().ok().filter(|value| range.contains(value));
    value.ok_or_else(|| Refused::value(name, text, allowed))
}

fn date(text: &str) -> Result<NaiveDate, Refused> {
    let date = text.parse().ok().filter(|_| text.len() == "2026-01-31".len());
    date.ok_or_else(|| Refused::value("--until", text, "must be a date like 2026-01-31"))
}

fn ports(base: Option<&str>) -> Result<(u16, u16), Refused> {
    let Some(text) = base else { return Ok(PORTS) };
    let last = u16::MAX - PORTS_MAX;
    let base = number("--port-base", text, 1..=last, &format!("must be 1 to {last}"))?;
    Ok((base, base + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Action, Stop};

    fn read(args: &[&str]) -> Result<SeedConfig, String> {
        match config::read(["codepop-node", "seed"].iter().chain(args)) {
            Ok(Action::Seed(config)) => Ok(config),
            Ok(other) => panic!("{other:?}"),
            Err(Stop::Refused(refused)) => Err(refused.to_string()),
            Err(Stop::Shown(text)) => panic!("{text}"),
        }
    }

    #[test]
    fn little_has_to_be_said() {
        let config = read(&["--profile", "demo", "--dir", "d"]).unwrap();
        assert_eq!((config.profile, config.seed, config.days, config.until), (Some(Profile::Demo), 1, 30, None));
        assert_eq!((config.gateway_port, config.node_port, config.clear), (8000, 7100, false));
        let config =
            read(&["--profile", "chain", "--dir", "d", "--port-base", "9000", "--until", "2026-10-31"]).unwrap();
        assert_eq!((config.gateway_port, config.node_port), (9000, 9001));
        assert_eq!(config.until, NaiveDate::from_ymd_opt(2026, 10, 31));
        assert!(read(&["--clear", "--dir", "d"]).unwrap().profile.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        let wrong: &[(&[&str], &str)] = &[
            (&["--dir", "d"], "--profile is not set"),
            (&["--profile", "town", "--dir", "d"], "--profile is \"town\": must be demo or chain"),
            (&["--profile", "demo", "--dir", "d", "--seed", "-1"], "--seed"),
            (&["--profile", "demo", "--dir", "d", "--days", "0"], "--days is \"0\": must be 1 to 366"),
            (&["--profile", "demo", "--dir", "d", "--days", "367"], "--days"),
            (&["--profile", "demo", "--dir", "d", "--until", "31.10.2026"], "--until"),
            (&["--profile", "demo", "--dir", "d", "--until", "2026-02-30"], "--until"),
            (&["--profile", "demo", "--dir", "d", "--port-base", "0"], "--port-base"),
            (&["--profile", "demo", "--dir", "d", "--port-base", "65500"], "--port-base"),
            (&["--clear", "--dir", "d", "--csv", "c"], "--profile is not set"),
            (&["--profile", "demo"], "--dir"),
        ];
        for (args, part) in wrong {
            let refused = read(args).unwrap_err();
            assert!(refused.contains(part) && !refused.contains('\n'), "{refused}");
        }
    }
}

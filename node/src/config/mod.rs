//! The command line and the environment, read once into typed settings. Every option has a variable; what is given on the
//! command line wins. A wrong value is refused in one line that names the option or variable, the value, and what is
//! allowed.
//!
//! [`cli`] is what clap sees (and `--help` shows), [`values`] the rules for single values, [`Action`] the result.

mod backup;
pub mod cli;
mod client;
mod init;
mod mail;
mod payments;
mod run;
mod seed;
mod setting;
pub mod values;

pub use backup::{BackupConfig, RestoreConfig};
pub use client::{
    ClientConfig, ConflictsAction, ConflictsConfig, DiscoverConfig, GrantConfig, GrantTo, PkiRevokeConfig,
    RevokeConfig, VerifyConfig,
};
pub use init::{GivenIdentity, InitConfig};
pub use run::{ImportConfig, MigrateConfig, RunConfig};
pub use seed::SeedConfig;
pub use setting::Refused;
pub use values::Database;

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, error::ErrorKind};
use cli::{Cli, Command, PkiCommand, PkiInitArgs, PkiOperatorArgs};
use setting::Values;

use crate::authority::Issue;

/// What the program was asked to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Make an identity.
    Init(InitConfig),
    /// Serve.
    Run(Box<RunConfig>),
    /// Ask a node how it is.
    Status(ClientConfig),
    /// Ask a node whom it knows, reachable or not.
    Peers(ClientConfig),
    /// Ask a node whom it can reach.
    Discover(DiscoverConfig),
    /// Look for damage, or compare nodes.
    Verify(VerifyConfig),
    /// Show or settle conflicts.
    Conflicts(ConflictsConfig),
    /// Bring the database up to date.
    Migrate(MigrateConfig),
    /// Bring a database of the old system over.
    ImportLegacy(ImportConfig),
    /// Make a chain's authority.
    PkiInit(PkiInitArgs),
    /// Issue a certificate.
    PkiIssue(Issue),
    /// Certify an operator.
    PkiOperator(PkiOperatorArgs),
    /// Revoke a holder's certificates.
    PkiRevoke(PkiRevokeConfig),
    /// Give a role as the operator.
    Grant(GrantConfig),
    /// Take a role as the operator.
    Revoke(RevokeConfig),
    /// Make a chain with test data.
    Seed(SeedConfig),
    /// Take a backup, look at one, or make a key.
    Backup(BackupConfig),
    /// Put a backup back.
    Restore(RestoreConfig),
}

/// Why there is nothing to do.
#[derive(Debug)]
pub enum Stop {
    /// `--help` or `--version`: the text to print on standard output.
    Shown(String),
    /// A mistake, in one line.
    Refused(Refused),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Reads the command line and the environment.
///
/// # Errors
/// [`Stop`] says what to print instead.
pub fn read<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>) -> Result<Action, Stop> {
    let matches = Cli::command().try_get_matches_from(args).map_err(stop)?;
    let cli = Cli::from_arg_matches(&matches).map_err(stop)?;
    Ok(action(cli.command, innermost(&matches))?)
}

fn action(command: Command, matches: &ArgMatches) -> Result<Action, Refused> {
    let values = Values::new(matches);
    Ok(match command {
        Command::Init(_) => Action::Init(InitConfig::read(&values)?),
        Command::Run(args) => Action::Run(Box::new(RunConfig::read(&values, args.insecure)?)),
        Command::Status(args) => Action::Status(ClientConfig::read(&values, &args)?),
        Command::Peers(args) => Action::Peers(ClientConfig::read(&values, &args)?),
        Command::Discover(args) => Action::Discover(DiscoverConfig::read(&values, &args)?),
        Command::Verify(args) => Action::Verify(VerifyConfig::read(&values, &args)?),
        Command::Conflicts(args) => Action::Conflicts(ConflictsConfig::read(&values, &args)?),
        Command::Migrate(_) => Action::Migrate(MigrateConfig::read(&values)?),
        Command::ImportLegacy(args) => Action::ImportLegacy(ImportConfig::read(&values, args)?),
        Command::Pki(PkiCommand::Init(args)) => Action::PkiInit(args),
        Command::Pki(PkiCommand::Issue(args)) => Action::PkiIssue(Issue {
            hosts: args.hosts.iter().map(|host| setting::host(host)).collect::<Result<_, _>>()?,
            number: values.number("number", "--number")?,
            replaces: values.number("replaces", "--replaces")?,
            valid: setting::days(&args.days)?,
            request: args.request,
            dir: args.dir,
            out: args.out,
        }),
        Command::Pki(PkiCommand::Operator(args)) => Action::PkiOperator(args),
        Command::Pki(PkiCommand::Revoke(args)) => Action::PkiRevoke(PkiRevokeConfig::read(&values, &args)?),
        Command::Grant(args) => Action::Grant(GrantConfig::read(&values, &args)?),
        Command::Revoke(args) => Action::Revoke(RevokeConfig::read(&values, &args)?),
        Command::Backup(args) => Action::Backup(BackupConfig::read(&values, args)?),
        Command::Restore(args) => Action::Restore(RestoreConfig::read(&values, args)?),
        Command::Seed(args) => Action::Seed(SeedConfig::read(args)?),
    })
}

/// The matches of the last subcommand: the one that has the options.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    let mut inner = matches;
    while let Some((_, next)) = inner.subcommand() {
        inner = next;
    }
    inner
}

/// clap explains over several lines; the first paragraph of it, on one line, says what is wrong.
fn stop(error: clap::Error) -> Stop {
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Shown(text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Stop::Refused(Refused::plain("a command is missing: try `codepop-node --help`"))
        }
        _ => Stop::Refused(Refused::plain(first.join(" ").trim_start_matches("error: "))),
    }
}

//! What each command of the program does.

mod backup;
mod client;
mod conflicts;
mod grant;
mod import_legacy;
mod init;
mod migrate;
mod pki;
mod pki_revoke;
mod revoke;
mod run;
mod seed;
mod verify;
mod writer;

pub use verify::Exit;

use anyhow::Result;

use crate::config::Action;

/// Does what was asked.
///
/// # Errors
/// What went wrong, for people.
pub async fn perform(action: Action) -> Result<()> {
    match action {
        Action::Init(config) => init::init(&config),
        Action::PkiInit(args) => pki::init(&args),
        Action::PkiIssue(issue) => pki::issue(&issue),
        Action::PkiOperator(args) => pki::operator(&args),
        Action::PkiRevoke(config) => pki_revoke::revoke(&config).await,
        Action::Run(config) => run::run(*config).await,
        Action::Status(config) => client::status(&config).await,
        Action::Peers(config) => client::peers(&config).await,
        Action::Discover(config) => client::discover(&config).await,
        Action::Verify(config) => verify::verify(&config).await,
        Action::Conflicts(config) => conflicts::conflicts(&config).await,
        Action::Migrate(config) => migrate::migrate(&config).await,
        Action::ImportLegacy(config) => import_legacy::import_legacy(config).await,
        Action::Grant(config) => grant::grant(&config).await,
        Action::Revoke(config) => revoke::revoke(&config).await,
        Action::Backup(config) => backup::backup(config).await,
        Action::Restore(config) => backup::restore(config).await,
        Action::Seed(config) => seed::seed(config).await,
    }
}

/// Prints a line; a closed pipe is an error like any other, not a panic.
fn print(line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}")
}

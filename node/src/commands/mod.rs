//! What each command of the program does.

mod init;
mod pki;

use anyhow::Result;

use crate::config::{Action, ClientConfig, DiscoverConfig, GrantConfig, MigrateConfig, RunConfig};

/// Does what was asked.
///
/// # Errors
/// What went wrong, for people.
pub async fn perform(action: Action) -> Result<()> {
    match action {
        Action::Init(config) => init::init(&config),
        Action::PkiInit(args) => pki::init(&args),
        Action::PkiIssue(issue) => pki::issue(&issue),
        Action::Run(config) => run(*config).await,
        Action::Status(config) => status(config).await,
        Action::Peers(config) => peers(config).await,
        Action::Discover(config) => discover(config).await,
        Action::Migrate(config) => migrate(config).await,
        Action::Grant(config) => grant(config).await,
    }
}

async fn run(_config: RunConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

async fn status(_config: ClientConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

async fn peers(_config: ClientConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

async fn discover(_config: DiscoverConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

async fn migrate(_config: MigrateConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

async fn grant(_config: GrantConfig) -> Result<()> {
    anyhow::bail!("not built yet")
}

/// Prints a line; a closed pipe is an error like any other, not a panic.
fn print(line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}")
}

//! `seed`: makes a chain with test data in a folder, without running a node: the authority, every node's keys, certificate,
//! settings and database, a gateway, and a list of how to start them.
//!
//! Reading order: `folder.rs` (whose folder it is), `identities.rs` (keys and certificates), `databases.rs`,
//! `operator.rs`, `neighbours.rs` (what nodes know of each other before they first meet), `summary.rs`.

mod databases;
mod folder;
mod identities;
mod neighbours;
mod operator;
mod password;
mod summary;

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{NaiveDate, TimeDelta, Utc};

use self::{
    folder::{Folder, Made},
    identities::Node,
    password::Chosen,
};
use super::print;
use crate::{
    app::Progress,
    config::SeedConfig,
    seed::{self, Contents, Data, Profile, Span},
};

/// Times that a run goes over all nodes, as far as progress is shown: certify, fill, introduce.
const PASSES: usize = 3;

/// How long after midnight (UTC) a day is over in all of the chain: stores close at 22:00, seven hours behind in winter.
const OVER_AFTER: TimeDelta = TimeDelta::hours(6);

pub(super) async fn seed(config: SeedConfig) -> Result<()> {
    // What is asked for is judged before anything is removed.
    let until = until(&config)?;
    let password = password::choose(config.password_file.as_deref())?;
    let mut folder = Folder::new(&config.dir);
    if config.clear {
        let cleared = folder.clear()?;
        print(&format!("{}: {cleared}", config.dir.display()))?;
    }
    let Some(profile) = config.profile else { return Ok(()) };
    match folder.made()? {
        Some(made) => again(&folder, &config, profile, &made).await,
        None => anew(&mut folder, &config, (profile, until), &password).await,
    }
}

/// Somebody asks for what is there.
async fn again(folder: &Folder, config: &SeedConfig, profile: Profile, made: &Made) -> Result<()> {
    let dir = config.dir.display();
    ensure!(made.is_complete, "{dir}: an earlier run did not come to its end; --clear makes it anew");
    let wanted = Made::of(config, profile, config.until.unwrap_or(made.until));
    if !wanted.is_same(made) {
        bail!("{dir} holds {made}, not {wanted}; --clear makes it anew");
    }
    if let Some(csv) = &config.csv {
        let data = data(made, profile, String::new())?;
        let nodes = identities::load(folder.path(), &data.sites)?;
        let contents = databases::contents(&nodes, &data).await?;
        write_tables(csv, &contents)?;
    }
    print(folder.summary()?.trim_end())?;
    print(&format!("{dir} holds this already: nothing was changed."))?;
    Ok(())
}

async fn anew(
    folder: &mut Folder,
    config: &SeedConfig,
    (profile, until): (Profile, NaiveDate),
    password: &Chosen,
) -> Result<()> {
    let made = Made::of(config, profile, until);
    let data = data(&made, profile, password.hash().await?)?;
    folder.begin(&made, &data.sites)?;
    password.write(folder.path())?;

    let steps = Steps { progress: Progress::for_stderr(), done: 0, all: data.sites.len() * PASSES };
    let (nodes, mut steps) = certify(folder, config, profile, &data, steps).await?;
    databases::fill(&nodes, &data, &mut steps).await?;
    operator::appoint(folder.path(), &nodes, &data).await?;
    neighbours::introduce(&nodes, &mut steps).await?;
    let contents = databases::contents(&nodes, &data).await?;
    steps.progress.done();

    let digest = seed::digest(&contents);
    let text = summary::text(folder.path(), &made, &contents, &digest);
    folder.end(made, &text)?;
    print(text.trim_end())?;
    // Last: the chain is there whatever becomes of them.
    config.csv.as_ref().map_or(Ok(()), |csv| write_tables(csv, &contents))
}

/// Makes the nodes' keys, apart from the async threads.
async fn certify(
    folder: &Folder,
    config: &SeedConfig,
    profile: Profile,
    data: &Data,
    mut steps: Steps,
) -> Result<(Vec<Node>, Steps)> {
    let (path, config, sites) = (folder.path().to_owned(), config.clone(), data.sites.clone());
    let made = tokio::task::spawn_blocking(move || {
        let nodes = identities::make(&path, &config, profile, &sites, &mut steps)?;
        Ok::<_, anyhow::Error>((nodes, steps))
    });
    made.await.context("make keys")?
}

/// The last day of orders: none that is still going on anywhere in the chain.
fn until(config: &SeedConfig) -> Result<NaiveDate> {
    let latest = (Utc::now() - TimeDelta::days(1) - OVER_AFTER).date_naive();
    match config.until {
        Some(until) if until > latest => {
            bail!("--until is \"{until}\": must be {latest} at the latest: no day to come")
        }
        Some(until) => Ok(until),
        None => Ok(latest),
    }
}

fn data(made: &Made, profile: Profile, hash: String) -> Result<Data> {
    let span = Span::ending(made.until, made.days).context("--until is too far from today")?;
    Ok(Data { seed: made.seed, span, hash, sites: seed::sites(profile) })
}

fn write_tables(folder: &std::path::Path, contents: &[Contents]) -> Result<()> {
    seed::write_tables(folder, contents).with_context(|| format!("write the tables to {}", folder.display()))
}

/// How far a run is: each pass goes over all nodes.
struct Steps {
    progress: Progress,
    done: usize,
    all: usize,
}

impl Steps {
    fn next(&mut self, what: &str, node: &str) {
        self.progress.doing(&format!("{what} {node}"), self.done, self.all);
        self.done += 1;
    }
}

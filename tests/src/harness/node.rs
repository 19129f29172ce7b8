//! One node of a mesh: its folder, its proxy, and its process while it runs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use codepop_node::identity::{Expected, NodeIdentity};
use codepop_shared::identity::{Kind, SpiffeId};

use super::{
    PostgresDatabase,
    databases::{sql, sqlite_sql},
    programs::{Program, bin_dir, command, counters, run},
};
use crate::faults::{Processes, Proxy};

/// Time for a node to serve: a debug build on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What a node is to be.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Name, also of its folder.
    pub name: String,
    /// `STORE` or `SUPPLY_HUB`.
    pub kind: &'static str,
    /// Code of its region.
    pub region: &'static str,
    /// Latitude and longitude.
    pub place: (f64, f64),
    /// The nodes whose addresses it is given to begin with.
    pub seeds: Vec<usize>,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its certified name.
    pub id: SpiffeId,
    /// Its folder.
    pub dir: PathBuf,
    /// What stands before it.
    pub proxy: Proxy,
    pub(super) database: Option<PostgresDatabase>,
    number: usize,
    times: (u64, u64),
    settings: Vec<(String, String)>,
    program: Option<Program>,
    address: Option<SocketAddr>,
    outlives_file_limit: bool,
    detour: Option<SocketAddr>,
    bin_dir: Option<PathBuf>,
}

/// The same database, reached at another address.
fn detoured(url: &str, address: SocketAddr) -> String {
    let (front, name) = url.rsplit_once('/').expect("an address ends in /<database>");
    let who = front.rsplit_once('@').map_or("postgres://", |(who, _)| who);
    format!("{who}@{address}/{name}")
}

/// What all nodes of a mesh have in common.
pub(super) struct Common<'a> {
    pub(super) root: &'a Path,
    pub(super) pki: &'a Path,
    pub(super) times: (u64, u64),
    pub(super) settings: &'a [(String, String)],
}

impl Node {
    /// Makes its identity with `init` and `pki issue`.
    pub(super) fn make(
        common: &Common<'_>,
        (number, spec): (usize, &Spec),
        proxy: Proxy,
        seeds: &[String],
        database: Option<PostgresDatabase>,
    ) -> Self {
        Self::make_replacing(common, (number, spec), proxy, seeds, database, None)
    }

    /// As [`Node::make`], for a node that takes the place of the one with this number.
    pub(super) fn make_replacing(
        common: &Common<'_>,
        (number, spec): (usize, &Spec),
        proxy: Proxy,
        seeds: &[String],
        database: Option<PostgresDatabase>,
        replaces: Option<u32>,
    ) -> Self {
        let dir = common.root.join(&spec.name);
        let (folder, pki) = (dir.to_str().unwrap(), common.pki.to_str().unwrap());
        let (lat, lon) = (spec.place.0.to_string(), spec.place.1.to_string());
        let url = format!("https://{}", proxy.address());
        let hubs = seeds.join(",");
        let mut args = vec!["init", "--data-dir", folder, "--type", spec.kind, "--name", &spec.name];
        args.extend(["--region", spec.region, "--lat", &lat, "--lon", &lon, "--api-url", &url]);
        if !seeds.is_empty() {
            args.extend(["--hub", &hubs]);
        }
        run("codepop-node", common.root, &args);
        let request = dir.join("request.json");
        let replaced = replaces.map(|number| number.to_string());
        let mut args = vec!["pki", "issue", request.to_str().unwrap(), "--dir", pki];
        if let Some(replaced) = &replaced {
            args.extend(["--replaces", replaced]);
        }
        run("codepop-node", common.root, &args);
        let id = NodeIdentity::load(&dir, &Expected::default()).unwrap().id;
        let settings = common.settings.to_vec();
        Self {
            id,
            dir,
            proxy,
            database,
            number,
            times: common.times,
            settings,
            program: None,
            address: None,
            outlives_file_limit: false,
            detour: None,
            bin_dir: None,
        }
    }

    /// A node of the same kind on a new machine that is to take this one's place; it has nothing yet.
    pub(super) async fn successor(
        &self,
        root: &Path,
        pki: &Path,
        number: usize,
        proxy: Proxy,
        seeds: &[String],
    ) -> Self {
        let database = match &self.database {
            Some(_) => Some(PostgresDatabase::create().await),
            None => None,
        };
        let spec = Spec {
            name: format!("{}-again", self.dir.file_name().unwrap().to_str().unwrap()),
            kind: if self.id.kind == Kind::Hub { "SUPPLY_HUB" } else { "STORE" },
            region: "C",
            place: (41.75, -111.83),
            seeds: Vec::new(),
        };
        let common = Common { root, pki, times: self.times, settings: &self.settings };
        Self::make_replacing(&common, (number, &spec), proxy, seeds, database, Some(self.id.number))
    }

    /// A command of the program on this node's own data, not started yet.
    pub fn command_of(&self, name: &str, args: &[&str]) -> std::process::Command {
        let mut command = command("codepop-node");
        command.args([name, "--data-dir", self.dir.to_str().unwrap()]).args(args).envs(self.environment());
        command
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// It runs already, or does not serve in time.
    pub(super) async fn start(&mut self, processes: &Processes) {
        assert!(self.try_start(processes).await, "{} ended: {}", self.id, self.program().log());
    }

    /// Starts it; whether it serves.
    pub(super) async fn try_start(&mut self, processes: &Processes) -> bool {
        self.launch(processes);
        let program = self.program.as_mut().expect("it was launched");
        let Some(line) = program.said_or_ended(START_TIMEOUT, "the node serves").await else { return false };
        let address: SocketAddr = line["listen"].as_str().unwrap().parse().unwrap();
        self.proxy.lead_to(Some(address));
        self.address = Some(address);
        true
    }

    /// Starts its process and does not wait for anything.
    pub(super) fn launch(&mut self, processes: &Processes) {
        assert!(self.program.is_none(), "{} runs already", self.id);
        let program = Program::start(self.command(), &self.dir.with_extension("log"));
        processes.add(program.pid(), self.number);
        self.program = Some(program);
    }

    fn command(&self) -> std::process::Command {
        let program = self.bin_dir.as_deref().unwrap_or_else(|| bin_dir()).join("codepop-node");
        let mut command = if self.outlives_file_limit {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program);
            shell
        } else {
            std::process::Command::new(program)
        };
        command.env_clear().envs(counters()).stdin(Stdio::null());
        command.arg("run").args(["--data-dir", self.dir.to_str().unwrap()]);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(["--heartbeat-interval-ms", &self.times.0.to_string()]);
        command.args(["--peer-down-after-ms", &self.times.1.to_string()]);
        command.envs(self.environment());
        command
    }

    fn environment(&self) -> Vec<(String, String)> {
        let url = self.database_url().map(|url| match self.detour {
            Some(address) => detoured(&url, address),
            None => url,
        });
        let database = url.map(|url| ("DATABASE_URL".to_owned(), url));
        self.settings.iter().cloned().chain(database).collect()
    }

    /// The address of its PostgreSQL database; none on SQLite.
    pub fn database_url(&self) -> Option<String> {
        self.database.as_ref().map(PostgresDatabase::url)
    }

    /// What its database answers to a query with one column of text, called `word`. Best asked while the node is stopped.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        match self.database_url() {
            Some(url) => sql(&url, query).await,
            None => sqlite_sql(&self.dir.join("node.db"), query),
        }
    }

    /// Runs a command of the program on this node's own data to its end, whatever that is.
    pub fn try_command(&self, name: &str, args: &[&str]) -> std::process::Output {
        let mut command = command("codepop-node");
        command.args([name, "--data-dir", self.dir.to_str().unwrap()]).args(args);
        command.envs(self.environment()).output().unwrap()
    }

    /// From its next start on: a variable in its environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// From its next start on: a limit on the size of files is an error of the write, not the end of the process.
    pub fn outlive_file_limit(&mut self) {
        self.outlives_file_limit = true;
    }

    /// From its next start on: its database is reached at this address instead of its own; PostgreSQL only.
    pub fn reach_database_at(&mut self, address: SocketAddr) {
        self.detour = Some(address);
    }

    /// From its next start on: the program of another build, in this folder.
    pub fn run_from(&mut self, bin_dir: Option<&Path>) {
        self.bin_dir = bin_dir.map(Path::to_owned);
    }

    /// Where it listens itself, behind its proxy.
    ///
    /// # Panics
    /// It does not run.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("the node runs")
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.program.is_some()
    }

    /// Its process.
    ///
    /// # Panics
    /// It does not run.
    pub fn program(&self) -> &Program {
        self.program.as_ref().expect("the node runs")
    }

    /// Takes the process away from it.
    pub(super) fn take_program(&mut self) -> Program {
        self.address = None;
        self.proxy.lead_to(None);
        self.program.take().expect("the node runs")
    }
}

//! A chain with test data, made by the program's own command; its nodes and its gateway are started as their files say.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    check,
    gateway::{Answer, client, read},
    programs::{Program, bin_dir, counters, run, try_run},
};

/// Time for a program to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for nodes to hear of each other.
const MEET_TIMEOUT: Duration = Duration::from_secs(30);

/// Ports of the largest chain: its gateway and its nodes.
const PORTS: u16 = 60;

/// Where free ports are looked for: below those that the system gives away by itself.
const PORTS_FROM: u16 = 20_000;
const PORTS_TO: u16 = 32_000;

/// A seeded chain.
#[derive(Debug)]
pub struct Seeded {
    programs: BTreeMap<String, Program>,
    /// What the command said.
    pub summary: String,
    port: u16,
    client: Client,
    root: TempDir,
}

impl Seeded {
    /// Makes a chain of a profile; `more` are further options.
    ///
    /// # Panics
    /// The command fails.
    pub fn make(profile: &str, more: &[&str]) -> Self {
        let (root, port) = (tempfile::tempdir().unwrap(), free_ports());
        let base = port.to_string();
        let args = ["seed", "--profile", profile, "--dir", "chain", "--csv", "tables", "--port-base", &base];
        let summary = run("codepop-node", root.path(), &[&args, more].concat());
        Self { programs: BTreeMap::new(), summary, port, client: client(), root }
    }

    /// The folder of the chain.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("chain")
    }

    /// Runs the command again on the same folder, to its end, whatever that is.
    pub fn again(&self, more: &[&str]) -> Output {
        try_run("codepop-node", self.root.path(), &[&["seed", "--dir", "chain"], more].concat(), &[])
    }

    /// Starts a program with the environment that lies in its folder, and waits until it serves.
    ///
    /// # Panics
    /// It does not serve in time.
    pub async fn start(&mut self, folder: &str) {
        let (program, message) =
            if folder == "gateway" { ("codepop-gateway", "serving") } else { ("codepop-node", "the node serves") };
        let mut command = Command::new("sh");
        let script = format!("set -a; . '{}'; exec {program} run", self.dir().join(folder).join("env").display());
        command.args(["-c", &script]).env_clear().envs(counters());
        command.env("PATH", format!("{}:/usr/bin:/bin", bin_dir().display())).env("LOG_FORMAT", "json");
        let mut program = Program::start(command, &self.root.path().join(folder).with_extension("log"));
        program.said(START_TIMEOUT, message).await;
        self.programs.insert(folder.to_owned(), program);
    }

    /// Stops a program.
    ///
    /// # Panics
    /// It does not run, or does not stop well.
    pub async fn stop(&mut self, folder: &str) {
        self.programs.remove(folder).unwrap().stop().await;
    }

    /// The column of the list of nodes: `folder number url uuid name`.
    fn listed(&self, folder: &str, column: usize) -> String {
        let text = fs::read_to_string(self.dir().join("nodes.txt")).unwrap();
        let line = text.lines().find(|line| line.split('\t').next() == Some(folder)).unwrap();
        line.split('\t').nth(column).unwrap().to_owned()
    }

    /// The UUID of a node.
    pub fn uuid(&self, folder: &str) -> String {
        self.listed(folder, 3)
    }

    /// The password of all accounts.
    pub fn password(&self) -> String {
        fs::read_to_string(self.dir().join("password")).unwrap().trim_end().to_owned()
    }

    /// A table that was written, by the names of its columns.
    pub fn table(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        rows(&self.root.path().join("tables").join(name))
    }

    /// Asks the gateway. `store`: the folder of the store that is asked for, if any.
    pub async fn ask(
        &self,
        (method, path): (Method, &str),
        (token, store): (Option<&str>, Option<&str>),
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        if let Some(token) = token {
            request = request.header("authorization", format!("Token {token}"));
        }
        if let Some(store) = store {
            request = request.header("x-codepop-store", self.uuid(store));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// `GET` at a store.
    pub async fn get(&self, path: &str, token: &str, store: &str) -> Answer {
        self.ask((Method::GET, path), (Some(token), Some(store)), None).await
    }

    /// Logs in, as soon as the account is known where it is asked for; gives the token.
    ///
    /// # Panics
    /// It is not known in time.
    pub async fn log_in(&self, name: &str, store: Option<&str>) -> String {
        let body = json!({"username": name, "password": self.password()});
        let what = format!("{name} logs in");
        let answer = super::eventually(MEET_TIMEOUT, &what, async || {
            let answer = self.ask((Method::POST, "/backend/auth/login/"), (None, store), Some(body.clone())).await;
            check(answer.status == 200, || format!("{} {}", answer.status, answer.json))?;
            Ok(answer.json)
        });
        answer.await["token"].as_str().unwrap().to_owned()
    }
}

/// Rows of a CSV file whose cells hold neither commas nor line ends.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    lines.map(|cells| heads.iter().cloned().zip(cells).collect()).collect()
}

/// The first of as many free ports as the largest chain needs.
fn free_ports() -> u16 {
    let mut base = PORTS_FROM + u16::try_from(std::process::id() % 100).unwrap() * PORTS;
    loop {
        let all: Result<Vec<_>, _> = (base..base + PORTS).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if all.is_ok() {
            return base;
        }
        base += PORTS;
        assert!(base < PORTS_TO, "there are no free ports");
    }
}

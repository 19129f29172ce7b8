//! The built programs: where they are, and one running process of them.

use std::{
    env,
    ffi::OsString,
    fs,
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;

use super::eventually;

/// Lines of a program's log that a failing test shows.
const LINES_SHOWN: usize = 25;

/// Time for a program to end after SIGTERM: its own limit is 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The folder of the built programs: `CODEPOP_BIN_DIR`, or this build's own, brought up to date once.
pub fn bin_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        if let Some(dir) = env::var_os("CODEPOP_BIN_DIR") {
            return PathBuf::from(dir);
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--bins", "-p", "codepop-node", "-p", "codepop-gateway"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(build.status().unwrap().success(), "the programs can't be built");
        let test = env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().to_owned()
    })
}

/// Where an instrumented program writes its counters.
const COUNTERS_FILE: &str = "LLVM_PROFILE_FILE";

/// When the tests' coverage is measured, so is that of the programs.
pub(super) fn counters() -> Option<(&'static str, OsString)> {
    env::var_os(COUNTERS_FILE).map(|file| (COUNTERS_FILE, file))
}

/// A command of one of the programs, without any variable of ours in its environment.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(bin_dir().join(program));
    command.env_clear().envs(counters()).stdin(Stdio::null());
    command
}

/// Runs a program to its end, which must be a good one, and returns what it printed.
///
/// # Panics
/// It fails.
pub fn run(program: &str, dir: &Path, args: &[&str]) -> String {
    let output = try_run(program, dir, args, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program to its end, whatever that is.
pub fn try_run(program: &str, dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    command(program).current_dir(dir).args(args).envs(env.iter().copied()).output().unwrap()
}

/// A running program whose JSON log goes to a file. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
    /// Where this run's part of the log begins.
    from: u64,
}

impl Program {
    /// Starts it; the log is appended to.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let from = file.metadata().unwrap().len();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log: log.to_owned(), from }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged in this run.
    pub fn log(&self) -> String {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for a log line with this message and returns it.
    ///
    /// # Panics
    /// It does not come in time, or the program ended.
    pub async fn said(&mut self, deadline: Duration, message: &str) -> Value {
        let said = self.said_or_ended(deadline, message).await;
        said.unwrap_or_else(|| panic!("ended before it said \"{message}\": {}", self.log()))
    }

    /// Waits for a log line with this message and returns it, or nothing when the program has ended.
    ///
    /// # Panics
    /// Neither happens in time.
    pub async fn said_or_ended(&mut self, deadline: Duration, message: &str) -> Option<Value> {
        eventually(deadline, &format!("{} says \"{message}\"", self.log.display()), async || {
            let has_ended = self.child.try_wait().unwrap().is_some();
            let text = self.log();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            match lines.find(|line| line["message"] == message) {
                Some(line) => Ok(Some(line)),
                None if has_ended => Ok(None),
                None => Err(text),
            }
        })
        .await
    }

    /// Ends it at once, as a power cut would.
    pub fn kill9(mut self) {
        self.end();
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// It does not stop in time, or not well.
    pub async fn stop(mut self) {
        self.signal("TERM");
        let status = eventually(STOP_TIMEOUT, "the program stops when told to", async || {
            self.child.try_wait().unwrap().ok_or_else(|| "still there".to_owned())
        })
        .await;
        assert!(status.success(), "told to stop, it ended with {status}");
    }

    /// Sends a signal by name: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(done.success(), "kill -{name}");
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    fn show_log(&self) {
        let text = self.log();
        let skip = text.lines().count().saturating_sub(LINES_SHOWN);
        eprintln!("--- {} (last lines)", self.log.display());
        text.lines().skip(skip).for_each(|line| eprintln!("{line}"));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let (pid, failing) = (self.pid(), std::thread::panicking());
        self.end();
        if failing {
            self.show_log();
        } else {
            assert!(!fs::exists(format!("/proc/{pid}")).unwrap(), "process {pid} is left behind");
        }
    }
}

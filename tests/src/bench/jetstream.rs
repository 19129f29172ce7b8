//! What durable writing costs elsewhere: NATS JetStream that syncs before it acknowledges, with its own Python client.

use std::{env, path::Path, process::Command, time::Duration};

/// Acknowledged messages a second; `None` where `CODEPOP_NATS` does not name the environment that has the server.
///
/// # Panics
/// The server or its client fails.
pub fn acknowledged(writers: u64, time: Duration, bytes: usize) -> Option<f64> {
    let bin = Path::new(&env::var_os("CODEPOP_NATS")?).join("bin");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/jetstream.py");
    let mut command = Command::new(bin.join("python3"));
    command.arg(script).arg(bin.join("nats-server"));
    command.args([writers.to_string(), time.as_secs().to_string(), bytes.to_string()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
}

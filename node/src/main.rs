//! The program: reads what it was told, does it, and says in one line what went wrong.

use std::{io, process::ExitCode};

use codepop_node::{
    commands,
    config::{self, Stop},
};

/// The exit status for wrong usage, as shells have it.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    // Whoever asks for a default provider must get the one that everything else here uses. It can be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let action = match config::read(std::env::args_os()) {
        Ok(action) => action,
        Err(Stop::Shown(text)) => return print(&mut io::stdout(), text.trim_end(), ExitCode::SUCCESS),
        Err(Stop::Refused(refused)) => return fail(&refused.to_string(), ExitCode::from(USAGE)),
    };
    match commands::perform(action).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(commands::Exit(code)) => ExitCode::from(*code),
            None => fail(&format!("{error:#}"), ExitCode::FAILURE),
        },
    }
}

fn fail(problem: &str, code: ExitCode) -> ExitCode {
    print(&mut io::stderr(), &format!("codepop-node: {problem}"), code)
}

/// Prints a line; who does not listen does not change the outcome.
fn print(to: &mut dyn io::Write, text: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(to, "{text}");
    code
}

//! How far a long command is: a bar on a terminal, lines elsewhere. On standard error, so that its report can be kept alone.

use std::io::{self, IsTerminal as _, Write as _};

/// Width of the bar, in characters.
const WIDTH: u64 = 30;

/// Shows progress. What cannot be shown is not shown; the work goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// A bar that is drawn again and again.
    Bar,
    /// A line when something is done.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// What fits standard error.
    pub fn for_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Bar } else { Self::Lines }
    }

    /// Shows nothing.
    pub const fn silent() -> Self {
        Self::Silent
    }

    /// So many rows of the source were read.
    pub fn reading(self, rows: usize) {
        match self {
            Self::Bar => draw(&format!("\r\x1b[Kreading: {rows} rows")),
            Self::Lines | Self::Silent => {}
        }
    }

    /// The source was read.
    pub fn read(self, rows: usize) {
        match self {
            Self::Bar => draw("\r\x1b[K"),
            Self::Lines => draw(&format!("read {rows} rows\n")),
            Self::Silent => {}
        }
    }

    /// So much of all is done; `what` is at hand.
    pub fn doing(self, what: &str, done: usize, all: usize) {
        let (part, whole) = (done as u64, all.max(1) as u64);
        let percent = part * 100 / whole;
        match self {
            Self::Bar => {
                let full = (part * WIDTH / whole) as usize;
                let empty = (WIDTH as usize).saturating_sub(full);
                draw(&format!("\r\x1b[K[{}{}] {percent:>3} % {what}", "#".repeat(full), ".".repeat(empty)));
            }
            Self::Lines => draw(&format!("{percent:>3} % {what}\n")),
            Self::Silent => {}
        }
    }

    /// All is done.
    pub fn done(self) {
        if matches!(self, Self::Bar) {
            draw("\r\x1b[K");
        }
    }
}

fn draw(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

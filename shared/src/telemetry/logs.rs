//! Log lines on standard error: text for people, JSON for programs.

use std::{io::IsTerminal as _, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt};

/// What is logged unless told otherwise.
const DEFAULT_FILTER: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// What to log: `RUST_LOG`, else `LOG_LEVEL`, else `info`. Both take what [`EnvFilter`] takes, for example `info` or
/// `warn,codepop_node=debug`.
///
/// # Errors
/// A line that names the variable, its value and what is allowed.
pub fn log_filter() -> Result<EnvFilter, String> {
    let found = ["RUST_LOG", "LOG_LEVEL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value)));
    let Some((name, value)) = found else {
        return Ok(EnvFilter::new(DEFAULT_FILTER));
    };
    EnvFilter::try_new(&value).map_err(|_| {
        format!("{name} is \"{value}\": must be error, warn, info, debug, trace or a list like warn,codepop_node=debug")
    })
}

/// Starts logging to standard error.
///
/// # Errors
/// Logging was started before.
pub fn init_logs(format: LogFormat, filter: EnvFilter) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Colours are for people at a terminal. When nobody reads the log any more, a failed write must not become a panic:
    // the report of it would go to the same place.
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_formats() {
        assert_eq!("JSON".parse(), Ok(LogFormat::Json));
        assert_eq!("text".parse(), Ok(LogFormat::Text));
        assert_eq!("xml".parse::<LogFormat>(), Err("must be text or json"));
    }
}

//! The log of a process, on standard error: `RUST_LOG` says how much of it.

use super::args::LogFormat;
use super::exit::{Exit, Failure};
use std::io;
use tracing_subscriber::EnvFilter;

/// Starts the log; `otherwise` is what is logged when `RUST_LOG` says nothing.
///
/// # Errors
/// [`Failure`] if `RUST_LOG` cannot be understood.
pub(super) fn start(format: LogFormat, otherwise: &str) -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text),
        _ => EnvFilter::try_new(otherwise),
    };
    let filter =
        filter.map_err(|error| Failure::new(Exit::Usage, format!("RUST_LOG cannot be understood: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Failed, format!("the log cannot be started: {error}")))
}

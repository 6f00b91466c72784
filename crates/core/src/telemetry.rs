//! Log lines: where they go, in which form, from which level on.
//!
//! Lines go to standard error, so that a command's answer on standard output stays clean. No line holds a code, a whole
//! number or a key; the types that carry them print stars.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogFormat, LogSection};

/// Whether logging could start so.
pub fn check(section: &LogSection) -> Result<(), ConfigError> {
    filter(&section.level).map(|_| ())
}

/// Starts logging. Call it once a process.
pub fn init(section: &LogSection) -> Result<(), ConfigError> {
    let filter = filter(&section.level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match section.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| ConfigError::key("log", error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        // Where, never what: the text of a panic may hold a code or a number.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%location, "panicked");
    }));
    Ok(())
}

/// Takes Celery's level names in any case, or a filter of `tracing`.
fn filter(level: &str) -> Result<EnvFilter, ConfigError> {
    let level = match level.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        other => other.to_owned(),
    };
    // The AMQP client logs every lost connection as an error; the supervisor says it once, as what it is. The finer
    // levels of the HTTP client and server show requests, which hold codes and numbers; and what is no HTTP at all, from
    // whatever stranger, is no error of ours.
    let quiet = "lapin=off,hyper=info,reqwest=info,rustls=info,h2=info,actix_server=warn,actix_http=off,actix_web=info";
    EnvFilter::try_new(format!("{level},{quiet}")).map_err(|error| {
        ConfigError::key("log.level", format!("{level:?} is not a level or a filter: {error}"))
    })
}

//! Log lines: where they go, in which form, from which level on.
//!
//! Lines go to standard error, so that a command's answer on standard output stays clean, or to a file. No line holds a code, a whole
//! number or a key; the types that carry them print stars.

use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{ConfigError, LogFormat, LogSection};

/// Whether logging could start so.
pub fn check(section: &LogSection) -> Result<(), ConfigError> {
    filter(&section.level).map(|_| ())
}

/// Starts logging to standard error. Call it once a process.
pub fn init(section: &LogSection) -> Result<(), ConfigError> {
    start(section, std::io::stderr, std::io::stderr().is_terminal())
}

/// Starts logging to a file, at its end. Call it once a process.
pub fn init_into(section: &LogSection, path: &Path) -> Result<(), ConfigError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|error| ConfigError::File { path: path.into(), reason: error.to_string() })?;
    start(section, Mutex::new(file), false)
}

fn start<W>(section: &LogSection, writer: W, colours: bool) -> Result<(), ConfigError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = filter(&section.level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match section.format {
        LogFormat::Text => lines.with_ansi(colours).with_target(false).try_init(),
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

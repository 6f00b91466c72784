//! Log lines: where they go, in which form, from which level on.
//!
//! Lines go to standard error, so that a command's answer on standard output stays clean, or to a file. No line holds a code, a whole
//! number or a key; the types that carry them print stars.
//!
//! A log file that was moved away, as logrotate does, is made anew at the next line: Celery's `WatchedFileHandler`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{ConfigError, LogFormat, LogSection};

/// How often is looked whether the log file is still the one of its path.
const LOOK: Duration = Duration::from_secs(1);

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
    let file = WatchedFile::open(path, LOOK);
    let file = file.map_err(|error| ConfigError::File { path: path.into(), reason: error.to_string() })?;
    start(section, Mutex::new(file), false)
}

fn start<W>(section: &LogSection, writer: W, colours: bool) -> Result<(), ConfigError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = filter(&section.level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // They would go to standard error, and panic where its terminal was closed.
    let lines = lines.log_internal_errors(false);
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

/// The file of a path, whatever was moved there or away.
struct WatchedFile {
    path: PathBuf,
    file: File,
    looked: Instant,
    /// How long to the next look.
    look: Duration,
}

impl WatchedFile {
    fn open(path: &Path, look: Duration) -> io::Result<Self> {
        Ok(Self { path: path.into(), file: append(path)?, looked: Instant::now(), look })
    }

    /// Opens the path again if it is another file now, or none.
    fn look(&mut self) -> io::Result<()> {
        let is_there = fs::metadata(&self.path).map(|there| (there.dev(), there.ino())).ok();
        let is_open = self.file.metadata().map(|open| (open.dev(), open.ino()))?;
        if is_there != Some(is_open) {
            self.file = append(&self.path)?;
        }
        Ok(())
    }
}

impl Write for WatchedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.looked.elapsed() >= self.look {
            self.looked = Instant::now();
            // Where it cannot be opened, the lines go on into the one that is.
            let _ = self.look();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_that_is_moved_away_or_removed_is_made_anew() {
        let folder = std::env::temp_dir().join(format!("postrider-log-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let (path, moved) = (folder.join("w.log"), folder.join("w.log.1"));
        let mut log = WatchedFile::open(&path, Duration::ZERO).unwrap();

        log.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write_all(b"two\n").unwrap();
        log.write_all(b"three\n").unwrap();

        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n");
        fs::remove_file(&path).unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}

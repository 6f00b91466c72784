//! `--statedb`: the ids that are revoked, and the logical clock, in a small file that survives a restart. Stamps are not in
//! it, as in Celery's: nothing would ever take them out.
//!
//! The file is JSON and Postrider's own; Celery's is a Python shelf, which is refused and left as it is. It is replaced
//! as a whole soon after each change and at the end, so that a worker that is killed forgets what was revoked within its
//! last second.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Revoked;
use crate::lamport::Lamport;

/// The least time between two writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// The file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    revoked: Revoked,
    lamport: Lamport,
}

/// What is in it. Whatever else a file has is not read: older ones have `stamps`.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// The version of this format.
    postrider: u32,
    #[serde(default)]
    clock: u64,
    #[serde(default)]
    revoked: Vec<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It cannot be read or written.
    #[error("the state file {0} cannot be used: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// It is another program's.
    #[error("the state file {0} is not one of Postrider's: name another file, Celery's cannot be read")]
    Foreign(PathBuf),
}

impl StateFile {
    /// Takes over what the file holds, if there is one, and makes sure that it can be written.
    pub(crate) fn open(path: &Path, revoked: Revoked, lamport: Lamport) -> Result<Self, StateFileError> {
        let this = Self { path: path.to_owned(), revoked, lamport };
        match fs::read(path) {
            Ok(bytes) => {
                let saved: Saved =
                    serde_json::from_slice(&bytes).map_err(|_| StateFileError::Foreign(path.to_owned()))?;
                this.lamport.adjust(saved.clock);
                this.revoked.add(saved.revoked);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StateFileError::Io(path.to_owned(), error)),
        }
        this.write().map_err(|error| StateFileError::Io(path.to_owned(), error))?;
        Ok(this)
    }

    /// Writes the file whenever something was revoked, until it is told to stop, and then once more.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.revoked.changed()).await.is_some() {
            self.save();
            stop.run_until_cancelled(tokio::time::sleep(BETWEEN_WRITES)).await;
        }
        self.save();
    }

    fn save(&self) {
        if let Err(error) = self.write() {
            tracing::error!(file = %self.path.display(), %error, "what is revoked could not be written to its file");
        }
    }

    /// Replaces the file as a whole.
    fn write(&self) -> io::Result<()> {
        let saved = Saved {
            postrider: 1,
            clock: self.lamport.forward(),
            revoked: self.revoked.ids(),
        };
        let mut written = self.path.clone().into_os_string();
        written.push(".new");
        fs::write(&written, serde_json::to_vec(&saved)?)?;
        fs::rename(&written, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::broker::message::Message;
    use serde_json::json;

    use super::super::tests::stamped;
    use super::*;

    #[test]
    fn what_is_revoked_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.state");
        let before = Revoked::default();
        let lamport = Lamport::default();
        let file = StateFile::open(&path, before.clone(), lamport.clone()).unwrap();
        before.add(["a".to_owned(), "b".to_owned()]);
        lamport.adjust(100);
        file.write().unwrap();

        let (after, clock) = (Revoked::default(), Lamport::default());
        StateFile::open(&path, after.clone(), clock.clone()).unwrap();

        assert_eq!(after.ids(), ["a", "b"]);
        assert!(after.holds("b", &Message::default()));
        assert!(clock.value() > 100);
    }

    #[test]
    fn stamps_are_forgotten_with_the_process_also_those_of_an_older_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.state");
        let (before, after) = (Revoked::default(), Revoked::default());
        let file = StateFile::open(&path, before.clone(), Lamport::default()).unwrap();
        before.add_stamps("tenant", &[json!("t1")]);
        file.write().unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("t1"));

        fs::write(&path, r#"{"postrider":1,"clock":7,"revoked":["a"],"stamps":{"tenant":["t1"]}}"#).unwrap();
        StateFile::open(&path, after.clone(), Lamport::default()).unwrap();

        assert_eq!(after.ids(), ["a"]);
        assert!(!after.holds("b", &stamped("t1".into())));
    }

    #[test]
    fn another_programs_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("celery.state");
        fs::write(&path, b"\x80\x03shelf").unwrap();

        let refused = StateFile::open(&path, Revoked::default(), Lamport::default());

        assert!(matches!(refused, Err(StateFileError::Foreign(_))));
        assert_eq!(fs::read(&path).unwrap(), b"\x80\x03shelf");
        let nowhere = folder.path().join("none").join("state");
        assert!(matches!(
            StateFile::open(&nowhere, Revoked::default(), Lamport::default()),
            Err(StateFileError::Io(..))
        ));
    }
}

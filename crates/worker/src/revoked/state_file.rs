//! `--statedb`: the ids that are revoked, and the logical clock, in a small file that survives a restart. Stamps are not in
//! it, as in Celery's: nothing would ever take them out.
//!
//! The file is JSON and Postrider's own; another program's is refused and left as it is, such as Celery's, a Python shelf.
//! It is replaced as a whole soon after each change and at the end, so that a worker that is killed forgets what was
//! revoked within its last second. One of ours that cannot be read, which a full disk or a lost block leaves, is put aside:
//! no worker is to stand still for what helps it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Revoked;
use crate::lamport::Lamport;

/// The version of this format.
const VERSION: u32 = 1;
/// What every file of ours begins with.
const BEGINNING: &[u8] = br#"{"postrider":"#;
/// The least time between two writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
    revoked: Revoked,
    lamport: Lamport,
}

/// What is in it. Whatever else a file has is not read: older ones have `stamps`.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// The version of this format, and first: it is what a file of ours is known by.
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
    /// It is of another version.
    #[error(
        "the state file {0} is of version {1}, which this program cannot read: name another file, or remove it"
    )]
    Version(PathBuf, u32),
}

/// What every version has.
#[derive(Deserialize)]
struct Marked {
    postrider: u32,
}

/// What the bytes of a file are.
enum Content {
    Saved(Saved),
    OfVersion(u32),
    /// One of ours that was cut off or lost its bytes.
    Damaged,
    Foreign,
}

impl StateFile {
    /// Takes over what the file holds, if there is one, and makes sure that it can be written.
    pub(crate) fn open(path: &Path, revoked: Revoked, lamport: Lamport) -> Result<Self, StateFileError> {
        let this = Self { path: path.to_owned(), revoked, lamport };
        let unusable = |error| StateFileError::Io(path.to_owned(), error);
        match fs::read(path) {
            Ok(bytes) => match Content::of(&bytes) {
                Content::Saved(saved) => {
                    this.lamport.adjust(saved.clock);
                    this.revoked.add(saved.revoked);
                }
                Content::OfVersion(version) => {
                    return Err(StateFileError::Version(path.to_owned(), version));
                }
                Content::Damaged => this.put_aside().map_err(unusable)?,
                Content::Foreign => return Err(StateFileError::Foreign(path.to_owned())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        this.write().map_err(unusable)?;
        Ok(this)
    }

    /// Writes the file whenever something was revoked, until it is told to stop, and then once more.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.revoked.changed()).await.is_some() {
            self.save().await;
            stop.run_until_cancelled(tokio::time::sleep(BETWEEN_WRITES)).await;
        }
        self.save().await;
    }

    /// On a thread that may wait for the disk.
    async fn save(&self) {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.write()).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::error!(file = %self.path.display(), %error, "what is revoked could not be written to its file");
        }
    }

    fn put_aside(&self) -> io::Result<()> {
        let aside = beside(&self.path, ".bad");
        fs::rename(&self.path, &aside)?;
        tracing::warn!(
            file = %self.path.display(),
            aside = %aside.display(),
            "the state file cannot be read and was put aside: what was revoked is forgotten, unless another worker tells"
        );
        Ok(())
    }

    /// Replaces the file as a whole: whatever happens meanwhile, one of the two is on the disk.
    fn write(&self) -> io::Result<()> {
        let saved = Saved { postrider: VERSION, clock: self.lamport.forward(), revoked: self.revoked.ids() };
        let new = beside(&self.path, ".new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(&saved)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // Not every folder may be read, nor every file system asked for this.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let synced = fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        if let Err(error) = synced {
            tracing::debug!(%error, "the state file's folder cannot be synced");
        }
        Ok(())
    }
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(Marked { postrider: VERSION }) => {
                serde_json::from_slice(bytes).map_or(Self::Damaged, Self::Saved)
            }
            Ok(marked) => Self::OfVersion(marked.postrider),
            // Zeros are what a file system may leave of a file whose blocks were not written yet.
            Err(_) if bytes.iter().all(|byte| *byte == 0) => Self::Damaged,
            Err(_) if bytes.starts_with(BEGINNING) || BEGINNING.starts_with(bytes) => Self::Damaged,
            Err(_) => Self::Foreign,
        }
    }
}

/// A file of nearly the same name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
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
    fn a_file_that_was_cut_off_is_put_aside_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("worker.state"), folder.path().join("worker.state.bad"));
        let whole = br#"{"postrider":1,"clock":7,"revoked":["a"]}"#;

        for bytes in [&whole[..0], &whole[..5], &whole[..whole.len() - 1], &[0; 40]] {
            fs::write(&path, bytes).unwrap();
            let revoked = Revoked::default();

            StateFile::open(&path, revoked.clone(), Lamport::default()).unwrap();

            assert!(revoked.ids().is_empty());
            assert_eq!(fs::read(&aside).unwrap(), bytes);
            StateFile::open(&path, Revoked::default(), Lamport::default()).unwrap();
        }
    }

    #[test]
    fn a_file_of_another_program_or_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("celery.state");
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let refused = StateFile::open(&path, Revoked::default(), Lamport::default()).unwrap_err();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            refused
        };

        for foreign in [&b"\x80\x03shelf"[..], b"SQLite format 3\0", br#"{"version":1}"#, b"[]"] {
            assert!(matches!(refused(foreign), StateFileError::Foreign(_)));
        }
        let newer = refused(br#"{"postrider":2,"revoked":{}}"#);
        assert!(matches!(newer, StateFileError::Version(_, 2)), "{newer}");
        let nowhere = folder.path().join("none").join("state");
        assert!(matches!(
            StateFile::open(&nowhere, Revoked::default(), Lamport::default()),
            Err(StateFileError::Io(..))
        ));
    }
}

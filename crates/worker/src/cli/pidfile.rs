//! A file with the process id: made at the start, removed at the end. One of a process that runs holds back the next.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A file with this process's id, as long as it lives.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Makes the file. What a process has left behind that is gone is replaced.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        let ours = std::process::id();
        match read(&path) {
            Some(pid) if pid != ours && is_alive(pid) => bail!(
                "Pidfile ({}) already exists.\nSeems we're already running? (pid: {pid})",
                path.display()
            ),
            // Also a reload: the process is the same.
            Some(_) => fs::remove_file(&path).with_context(|| cannot(&path))?,
            None => {}
        }
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        match made.and_then(|mut file| writeln!(file, "{ours}")) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("Pidfile ({}) already exists, and holds no process id", path.display())
            }
            made => made.with_context(|| cannot(&path))?,
        }
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if read(&self.0) == Some(std::process::id())
            && let Err(error) = fs::remove_file(&self.0)
        {
            tracing::warn!(%error, file = %self.0.display(), "the file with the process id cannot be removed");
        }
    }
}

fn read(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok().filter(|pid| *pid > 0)
}

/// Whether there is such a process. Another user's is one too, though it may not be signalled.
fn is_alive(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH))
}

fn cannot(path: &Path) -> String {
    format!("the file with the process id {} cannot be written", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_of_a_process_that_runs_holds_back_and_one_that_was_left_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w1.pid");
        let parent = std::os::unix::process::parent_id();

        fs::write(&path, format!("{parent}\n")).unwrap();
        let refused = PidFile::create(path.clone()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(pid: {parent})")), "{refused}");
        fs::write(&path, "not a number").unwrap();
        assert!(PidFile::create(path.clone()).is_err());

        // No process has the last number.
        fs::write(&path, i32::MAX.to_string()).unwrap();
        let made = PidFile::create(path.clone()).unwrap();
        assert_eq!(read(&path), Some(std::process::id()));
        drop(PidFile::create(path.clone()).unwrap());
        assert!(!path.exists());
        drop(made);
    }
}

//! A child process that does not outlive its value.
//!
//! Owns spawning, signals and waiting, always by pid. What the process prints is its owner's business.
//!
//! Signals go through the shell's `kill`, because the workspace forbids unsafe code and a minimal Debian has no
//! `/bin/kill`.

use std::{
    ffi::OsStr,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use super::eventually;

pub(super) struct Guard {
    child: Child,
}

/// A command whose process the kernel kills when the thread that spawned it ends.
///
/// That thread is the test's own as long as the caller runs in the test's main future, as all tests do; a task of a
/// multi-threaded runtime has it until the runtime stops.
pub(super) fn guarded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

impl Guard {
    pub(super) fn spawn(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        Self { child }
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`); does nothing once the process has been waited for.
    pub(super) fn signal(&mut self, name: &str) {
        if self.exit_status().is_some() {
            return;
        }
        let kill = format!("kill -s {name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("a Debian machine has sh");
        // It may have ended by itself between the two lines.
        assert!(status.success() || self.exit_status().is_some(), "`{kill}` failed");
    }

    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// The exit status, or `None` when the process is still there after that time.
    pub(super) async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        eventually(within, async || self.exit_status().is_some()).await;
        self.exit_status()
    }

    /// SIGKILL, and waits until the process is gone.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // No expect: a panic while a test panics would abort and hide its message.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! One of our binaries, or another program, as a child process whose output a test reads.
//!
//! Owns the process and its lines, from stdout and stderr in the order in which they came. What the lines mean is the
//! test's business. When a test panics, the drop prints them.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{
    bin,
    guard::{Guard, guarded},
};

/// How many lines a panic prints: enough to see what went wrong, after a run of many thousand tasks too.
const LINES_SHOWN: usize = 300;

/// A child process. The drop kills it by its pid; its own children, if it starts any, are its own to end.
pub struct Proc {
    name: String,
    guard: Guard,
    log: watch::Receiver<Log>,
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// Of stdout and stderr, how many have ended.
    ended: usize,
}

impl Log {
    fn is_complete(&self) -> bool {
        self.ended == 2
    }
}

impl Proc {
    /// Starts one of our binaries.
    ///
    /// Settings in the environment of the test run do not reach it: it gets `env` and what is not about Postrider.
    pub fn start<A, K, V>(
        name: &str,
        args: impl IntoIterator<Item = A>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Self
    where
        A: AsRef<OsStr>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        Self::run(&bin(name), args, env)
    }

    /// Starts any program, a Python Celery worker say (with `--pool solo`: a pool's processes would be orphaned).
    pub fn run<A, K, V>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Self
    where
        A: AsRef<OsStr>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        Self::run_on(program, args, env, Stdio::null(), Stdio::piped())
    }

    /// The same with something else than nothing to read from and than a pipe to write to: sockets to hand on, say.
    pub fn run_on<A, K, V>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: impl IntoIterator<Item = (K, V)>,
        stdin: Stdio,
        stdout: Stdio,
    ) -> Self
    where
        A: AsRef<OsStr>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = guarded(program);
        command.args(args).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        command.envs(env);
        let mut guard = Guard::spawn(&mut command);
        let (log, reader) = watch::channel(Log::default());
        let log = Arc::new(log);
        let child = guard.child();
        match child.stdout.take() {
            Some(stdout) => read_lines(stdout, Arc::clone(&log)),
            None => log.send_modify(|log| log.ended += 1),
        }
        read_lines(child.stderr.take().expect("stderr is piped"), log);
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, guard, log: reader }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        self.guard.exit_status().is_none()
    }

    /// How many lines it has printed so far, for [`wait_for_line_after`](Self::wait_for_line_after).
    pub fn line_count(&self) -> usize {
        self.log.borrow().lines.len()
    }

    /// All that it has printed so far, one line after the other.
    pub fn log(&self) -> String {
        self.log.borrow().lines.join("\n")
    }

    /// The first line that fits, printed already or within that time. Panics when the time is over, or when the
    /// process has ended without such a line.
    pub async fn wait_for_line(&mut self, fits: impl FnMut(&str) -> bool, within: Duration) -> String {
        self.wait_for_line_after(0, fits, within).await
    }

    /// The same, not counting the first `skipped` lines: what came before an event proves nothing about it.
    pub async fn wait_for_line_after(
        &mut self,
        skipped: usize,
        mut fits: impl FnMut(&str) -> bool,
        within: Duration,
    ) -> String {
        let mut next = skipped;
        let mut found = None;
        let search = self.log.wait_for(|log| {
            found = log.lines.iter().skip(next).find(|line| fits(line)).cloned();
            next = next.max(log.lines.len());
            found.is_some() || log.is_complete()
        });
        // The guard of the log is let go at once, else the reading threads would wait for it.
        let in_time = timeout(within, search).await.map(|_| ()).is_ok();
        match found {
            Some(line) => line,
            None if in_time => panic!("{} ended without the line that the test waits for", self.name),
            None => panic!("{} did not print the line that the test waits for within {within:?}", self.name),
        }
    }

    /// Asks it to stop.
    pub fn sigterm(&mut self) {
        self.guard.signal("TERM");
    }

    /// Sends it a signal by its name, as `QUIT`.
    pub fn signal(&mut self, name: &str) {
        self.guard.signal(name);
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn sigkill(&mut self) {
        self.guard.kill();
    }

    /// Waits until it ends by itself or by an earlier signal, and until all that it printed has been read.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        let Some(status) = self.guard.ended(within).await else {
            panic!("{} still runs after {within:?}", self.name);
        };
        // A child of its own may hold the pipes open, hence the limit.
        let _ = timeout(Duration::from_secs(1), self.log.wait_for(Log::is_complete)).await;
        status
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log.borrow();
            let hidden = log.lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- {} (pid {}), {hidden} earlier lines left out ---", self.name, self.pid());
            eprintln!("{}", log.lines[hidden..].join("\n"));
        }
    }
}

fn is_setting(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("POSTRIDER__")
        || ["RUST_LOG", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_FDS"].contains(&&*name)
}

/// A thread, because a pipe must be drained even while the test blocks its runtime.
fn read_lines(pipe: impl Read + Send + 'static, log: Arc<watch::Sender<Log>>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            log.send_modify(|log| log.lines.push(text));
            line.clear();
        }
        log.send_modify(|log| log.ended += 1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const NO_ENV: [(&str, &str); 0] = [];

    fn shell(script: &str) -> Proc {
        Proc::run(Path::new("/bin/sh"), ["-c", script], NO_ENV)
    }

    #[tokio::test]
    async fn lines_of_both_streams_are_found_and_a_signal_ends_the_process() {
        let mut proc = Proc::run(
            Path::new("/bin/sh"),
            ["-c", "trap 'echo bye; exit 7' TERM; echo $WORD; echo err >&2; while :; do sleep 0.02; done"],
            [("WORD", "hello")],
        );
        proc.wait_for_line(|line| line == "hello", SOON).await;
        proc.wait_for_line(|line| line == "err", SOON).await;
        let printed = proc.line_count();

        proc.sigterm();
        let status = proc.wait(SOON).await;

        assert_eq!(status.code(), Some(7));
        assert_eq!(proc.wait_for_line_after(printed, |_| true, SOON).await, "bye");
        assert!(!proc.is_running());
    }

    #[tokio::test]
    #[should_panic(expected = "sh ended without the line")]
    async fn waiting_ends_when_the_process_does() {
        shell("echo something else").wait_for_line(|line| line == "never", SOON).await;
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let proc = shell("exec sleep 600");
        let folder = format!("/proc/{}", proc.pid());
        assert!(Path::new(&folder).exists());

        drop(proc);

        assert!(!Path::new(&folder).exists());
    }
}

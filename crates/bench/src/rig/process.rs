//! A contender as a process: started with its children in a group of its own, read through /proc, ended by its pid.
//!
//! The kernel kills it when this program dies. Its output goes to a file, which an error quotes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::sleep;

/// How long a contender may take to start, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);
/// The last lines that an error quotes.
const QUOTED: usize = 15;

/// A running contender. The drop kills it and its children.
pub(crate) struct Contender {
    name: String,
    child: Child,
    output: PathBuf,
    started: Instant,
    ready_after: Duration,
}

/// Builds a contender's command line.
pub(crate) struct Start {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    folder: PathBuf,
}

/// What a group of processes holds and has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// CPU time, user and system.
    pub(crate) cpu: Duration,
    /// Memory in bytes; what processes share is counted once.
    pub(crate) memory: u64,
}

impl Start {
    /// A program with its arguments, to be run in that folder.
    pub(crate) fn new(name: &str, program: PathBuf, args: Vec<String>, folder: &Path) -> Self {
        Self { name: name.to_owned(), program, args, env: Vec::new(), folder: folder.to_owned() }
    }

    /// The same with a variable in its environment.
    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }
}

impl Contender {
    /// Starts it. Its output goes to a file in `scratch`.
    pub(crate) fn start(start: &Start, scratch: &Path) -> anyhow::Result<Self> {
        let output = scratch.join(format!("{}.out", start.name.replace(' ', "-")));
        let log = File::create(&output)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&start.program).args(&start.args);
        command.envs(start.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&start.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = std::os::unix::process::CommandExt::process_group(&mut command, 0)
            .spawn()
            .with_context(|| format!("{} did not start", start.name))?;
        Ok(Self {
            name: start.name.clone(),
            child,
            output,
            started: Instant::now(),
            ready_after: Duration::ZERO,
        })
    }

    /// Waits until it has printed a line with `text`, which makes it ready.
    pub(crate) async fn prints(&mut self, text: &str) -> anyhow::Result<()> {
        while !self.output().lines().any(|line| line.contains(text)) {
            self.must_start(&format!("printed {text:?}"))?;
            sleep(Duration::from_millis(5)).await;
        }
        self.ready_after = self.started.elapsed();
        Ok(())
    }

    /// Waits until `ready` says so.
    pub(crate) async fn becomes(&mut self, ready: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        while !ready().await {
            self.must_start("became ready")?;
            sleep(Duration::from_millis(5)).await;
        }
        self.ready_after = self.started.elapsed();
        Ok(())
    }

    /// How long after its start it was ready.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Asks it to end, and waits until it has. Returns what it printed.
    pub(crate) async fn finish(mut self) -> anyhow::Result<String> {
        let asked = Instant::now();
        kill_process(self.pid()?, Signal::TERM).context("a child can be signalled")?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "{} ended with {status}:\n{}", self.name, self.tail());
                return Ok(self.output());
            }
            anyhow::ensure!(asked.elapsed() < PATIENCE, "{} did not end:\n{}", self.name, self.tail());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it ends by itself. Returns what it printed.
    pub(crate) async fn ends(mut self, within: Duration) -> anyhow::Result<String> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "{} ended with {status}:\n{}", self.name, self.tail());
                return Ok(self.output());
            }
            anyhow::ensure!(self.started.elapsed() < within, "{} did not end:\n{}", self.name, self.tail());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it and its children use.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let group = i32::try_from(self.child.id())?;
        let mut usage = Usage::default();
        for process in all_processes()?.flatten() {
            let Ok(stat) = process.stat() else { continue };
            if stat.pgrp == group && stat.state != 'Z' {
                usage.cpu += ticks(stat.utime + stat.stime);
                usage.memory += memory(&process, &stat).unwrap_or(0);
            }
        }
        Ok(usage)
    }

    /// All that it has printed so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// An error if it has ended too early.
    pub(crate) fn must_run(&mut self, what: &str) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        anyhow::ensure!(ended.is_none(), "{} ended before it {what}:\n{}", self.name, self.tail());
        Ok(())
    }

    fn must_start(&mut self, what: &str) -> anyhow::Result<()> {
        self.must_run(what)?;
        let late = self.started.elapsed() > PATIENCE;
        anyhow::ensure!(!late, "{} never {what}:\n{}", self.name, self.tail());
        Ok(())
    }

    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(QUOTED)..].join("\n")
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("a pid is not zero")
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // Its own children too, of which it may have left some behind.
        if let Ok(pid) = self.pid() {
            kill_process_group(pid, Signal::KILL).ok();
        }
        self.child.wait().ok();
    }
}

/// A number after a word that the contender printed.
pub(crate) fn printed(output: &str, word: &str) -> anyhow::Result<f64> {
    let number = output.lines().rev().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
    number.with_context(|| format!("no {word:?} with a number in:\n{output}"))
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / procfs::ticks_per_second())
}

/// The proportional set size where it can be read, for prefork shares most of its pages; else the resident set size.
fn memory(process: &Process, stat: &procfs::process::Stat) -> anyhow::Result<u64> {
    let rollup = process.smaps_rollup()?;
    let pss = rollup.memory_map_rollup.0.first().and_then(|map| map.extension.map.get("Pss").copied());
    Ok(pss.unwrap_or(stat.rss * procfs::page_size()))
}

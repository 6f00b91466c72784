//! What signals mean to a worker: Celery's meanings.
//!
//! | signal | first | again |
//! |---|---|---|
//! | TERM, INT | warm: take nothing more, finish what runs | cold |
//! | QUIT | cold: give back at once what runs; with a soft shutdown timeout, after that time | cold at once |
//! | HUP | warm, and the same command line in this process's place; at a terminal, which was closed, warm | nothing |
//! | USR1 | lists what runs in the log | the same |
//!
//! `REMAP_SIGTERM=SIGQUIT` in the environment makes TERM mean QUIT.
//!
//! They are heard on a thread of their own, which ends with the process: a stop must count also while the runtime of the
//! tasks ends before a new start.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use postrider_core::clock::Clock;
use postrider_core::config::sigterm_means_sigquit;
use postrider_core::shutdown::Shutdown;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::observer::Tracker;

/// How many tasks that run are listed.
const LISTED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// Finishing what runs, and starting anew afterwards.
    Reloading,
    Warm,
    /// Cold after the soft shutdown timeout.
    Soft,
}

/// What is done about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Warm,
    Soft,
    Cold,
    Reload,
    List,
    Nothing,
}

/// The signals, from now on caught.
struct Signals {
    term: Stream,
    int: Stream,
    quit: Stream,
    hup: Stream,
    usr1: Stream,
}

/// What runs, once there is a worker.
pub(super) type Running = Arc<OnceLock<Tracker>>;

/// Catches the signals from now on, and obeys them as long as the process lives.
pub(super) fn obey(shutdown: Shutdown, grace: Duration, running: Running) -> io::Result<()> {
    let (told, caught) = sync_channel(1);
    thread::Builder::new().name("postrider-signals".into()).spawn(move || match Signals::catch() {
        Ok((runtime, signals)) => {
            told.send(Ok(())).expect("it is waited for below");
            runtime.block_on(signals.obey(shutdown, grace, running));
        }
        Err(error) => told.send(Err(error)).expect("it is waited for below"),
    })?;
    caught.recv().expect("the thread says one or the other")
}

impl Signals {
    fn catch() -> io::Result<(Runtime, Self)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = runtime.block_on(async {
            io::Result::Ok(Self {
                term: signal(SignalKind::terminate())?,
                int: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                hup: signal(SignalKind::hangup())?,
                usr1: signal(SignalKind::user_defined1())?,
            })
        })?;
        Ok((runtime, signals))
    }

    async fn obey(mut self, shutdown: Shutdown, grace: Duration, running: Running) {
        let remapped = sigterm_means_sigquit();
        // As Celery looks at it: whoever closes the terminal wants no worker that goes on in the background.
        let at_terminal = std::io::stdout().is_terminal();
        let mut cold_at: Option<Instant> = None;
        loop {
            let signal = tokio::select! {
                signal = self.next() => signal,
                () = sleep_until(cold_at.unwrap_or_else(Instant::now)), if cold_at.is_some() => {
                    tracing::warn!("stopping at once: the soft shutdown timeout is over");
                    shutdown.stop_now();
                    cold_at = None;
                    continue;
                }
            };
            let signal = if remapped && signal == Signal::Term { Signal::Quit } else { signal };
            match step(signal, stage(&shutdown, cold_at), grace, at_terminal) {
                Step::Warm => {
                    tracing::info!(?signal, "stopping: finishing what runs; a second signal stops at once");
                    shutdown.forget_restart();
                    shutdown.stop();
                }
                Step::Soft => {
                    tracing::warn!(?signal, timeout = ?grace, "stopping softly: at once after the soft shutdown timeout");
                    shutdown.forget_restart();
                    shutdown.stop();
                    cold_at = Some(Instant::now() + grace);
                }
                Step::Cold => {
                    tracing::warn!(?signal, "stopping at once");
                    shutdown.forget_restart();
                    shutdown.stop_now();
                    cold_at = None;
                }
                Step::Reload => {
                    tracing::info!(?signal, "starting anew: finishing what runs first");
                    shutdown.restart();
                }
                Step::List => list(running.get()),
                Step::Nothing => {}
            }
        }
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::Term,
            _ = self.int.recv() => Signal::Int,
            _ = self.quit.recv() => Signal::Quit,
            _ = self.hup.recv() => Signal::Hup,
            _ = self.usr1.recv() => Signal::Usr1,
        }
    }
}

fn stage(shutdown: &Shutdown, cold_at: Option<Instant>) -> Stage {
    match (shutdown.soft().is_cancelled(), cold_at) {
        (false, _) => Stage::Running,
        (true, Some(_)) => Stage::Soft,
        (true, None) if shutdown.is_restart() => Stage::Reloading,
        (true, None) => Stage::Warm,
    }
}

fn step(signal: Signal, stage: Stage, grace: Duration, at_terminal: bool) -> Step {
    let cold = if grace.is_zero() { Step::Cold } else { Step::Soft };
    match (signal, stage) {
        (Signal::Usr1, _) => Step::List,
        (Signal::Hup, Stage::Running) if at_terminal => Step::Warm,
        (Signal::Hup, Stage::Running) => Step::Reload,
        (Signal::Hup, _) => Step::Nothing,
        (Signal::Term | Signal::Int, Stage::Running | Stage::Reloading) => Step::Warm,
        (_, Stage::Soft) => Step::Cold,
        (Signal::Quit | Signal::Term | Signal::Int, _) => cold,
    }
}

/// The tasks that run, for who wonders what a worker is doing.
fn list(running: Option<&Tracker>) {
    let Some(tracker) = running else {
        tracing::warn!("nothing runs: the worker has not started yet");
        return;
    };
    let now = Clock::System.now_ms();
    let held = tracker.held();
    let active: Vec<_> = held.iter().filter_map(|task| Some((task, now - task.since()?))).collect();
    tracing::warn!(active = active.len(), waiting = held.len() - active.len(), "what is here now");
    for (task, runs_for_ms) in active.iter().take(LISTED) {
        tracing::warn!(task.id = %task.id, task.name = %task.task, runs_for_ms, "runs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_mean_what_they_mean_to_celery() {
        use Signal::{Hup, Int, Quit, Term, Usr1};
        use Stage::{Reloading, Running, Soft, Warm};
        let (none, some) = (Duration::ZERO, Duration::from_secs(2));
        for (signal, stage, grace, expected) in [
            (Term, Running, none, Step::Warm),
            (Term, Running, some, Step::Warm),
            (Term, Warm, none, Step::Cold),
            (Term, Reloading, none, Step::Warm),
            (Int, Running, none, Step::Warm),
            (Int, Warm, none, Step::Cold),
            (Int, Warm, some, Step::Soft),
            (Quit, Running, none, Step::Cold),
            (Quit, Running, some, Step::Soft),
            (Quit, Warm, some, Step::Soft),
            (Quit, Soft, some, Step::Cold),
            (Int, Soft, some, Step::Cold),
            (Hup, Running, none, Step::Reload),
            (Hup, Warm, none, Step::Nothing),
            (Hup, Soft, some, Step::Nothing),
            (Usr1, Running, none, Step::List),
            (Usr1, Soft, none, Step::List),
        ] {
            assert_eq!(step(signal, stage, grace, false), expected, "{signal:?} {stage:?} {grace:?}");
        }
        // The shell and the kernel may each send one: the second must not make the stop a cold one.
        assert_eq!(step(Hup, Running, none, true), Step::Warm);
        assert_eq!(step(Hup, Warm, none, true), Step::Nothing);
    }
}

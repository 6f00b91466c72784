//! What a process tells the service manager that started it (systemd's `Type=notify`): waiting, ready, stopping.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is told. A message that cannot be delivered is logged once and
//! forgotten: a process does not stop working because nobody listens. The variable stays set, since taking it out is
//! unsafe code and no process of ours starts children; the units let the main process alone speak
//! (`NotifyAccess=main`).

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::shutdown::Shutdown;

/// How soon a process that has become able to work says so.
const UNTIL_READY: Duration = Duration::from_millis(50);
/// How soon it tells of a change after that.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How a process fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether it can do its work.
    pub ready: bool,
    /// One line for `systemctl status`.
    pub status: String,
}

/// Tells how the process fares until the soft stop, and then that it stops: `stopping` is the last status. A stop that
/// the program is started anew after is told as a reload, which the next start's first condition that is ready ends: to
/// the service manager it is one and the same process.
///
/// `look` is asked again and again. The first condition that is ready makes the process ready for the service manager;
/// it cannot take that back later, so the status alone tells of what comes after.
pub fn follow<Look, Looked>(shutdown: &Shutdown, stopping: &'static str, mut look: Look)
where
    Look: FnMut() -> Looked + Send + 'static,
    Looked: Future<Output = Condition> + Send,
{
    // Presence alone, to save the looking; the library reads what it says.
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (soft, asked) = (shutdown.soft().clone(), shutdown.clone());
    shutdown.spawn(async move {
        let mut told = Told::default();
        loop {
            let condition = tokio::select! {
                () = soft.cancelled() => break,
                condition = look() => condition,
            };
            told.tell(condition);
            tokio::select! {
                () = soft.cancelled() => break,
                () = tokio::time::sleep(if told.ready { AFTERWARDS } else { UNTIL_READY }) => {}
            }
        }
        // A reload without the time at which it began is not taken for one.
        match NotifyState::monotonic_usec_now() {
            Ok(now) if asked.is_restart() => {
                told.send(&[NotifyState::Reloading, now, NotifyState::Status(stopping)]);
            }
            _ => told.send(&[NotifyState::Stopping, NotifyState::Status(stopping)]),
        }
    });
}

/// What the service manager knows by now.
#[derive(Debug, Default)]
struct Told {
    ready: bool,
    status: String,
    failed: bool,
}

impl Told {
    fn tell(&mut self, Condition { ready, status }: Condition) {
        let first = ready && !self.ready;
        if !first && status == self.status {
            return;
        }
        if first {
            self.send(&[NotifyState::Ready, NotifyState::Status(&status)]);
        } else {
            self.send(&[NotifyState::Status(&status)]);
        }
        self.ready |= ready;
        self.status = status;
    }

    fn send(&mut self, states: &[NotifyState]) {
        if let Err(error) = sd_notify::notify(states)
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::warn!(%error, "the service manager cannot be told how this process fares");
        }
    }
}

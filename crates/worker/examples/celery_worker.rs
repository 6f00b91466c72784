//! A worker for Celery's clients, with a command line: `app.send_task("tasks.add", (1, 2))` from Python runs here.
//!
//! `cargo run -p postrider-worker --no-default-features --example celery_worker -- worker -Q celery -l info
//! --result-backend redis://127.0.0.1:6379/1`. `--help` says what it takes, `config default` prints its manual.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use postrider_core::task::{Compute, ComputeBlocking, Context, Registry, Task, TaskResult};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Add {
    x: i64,
    y: i64,
}

impl Task for Add {
    const NAME: &'static str = "tasks.add";
}

impl Compute<()> for Add {
    type Output = i64;

    async fn compute(self, _services: &(), _context: &Context) -> TaskResult<i64> {
        Ok(self.x + self.y)
    }
}

/// Blocks a thread, whatever its time limit says.
#[derive(Debug, Serialize, Deserialize)]
struct Nap {
    seconds: u64,
}

impl Task for Nap {
    const NAME: &'static str = "tasks.nap";
}

impl ComputeBlocking<()> for Nap {
    type Output = ();

    fn compute_blocking(self, _services: &(), _context: &Context) -> TaskResult<()> {
        thread::sleep(Duration::from_secs(self.seconds));
        Ok(())
    }
}

fn main() -> ExitCode {
    let tasks = Registry::new().register::<Add>().register_blocking::<Nap>();
    postrider_worker::cli::main(tasks, ())
}

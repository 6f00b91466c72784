//! A worker whose tasks count their runs in Redis, for the test that kills it: whatever becomes of the process, each run
//! that has begun is on the books. `LEDGER_REDIS` says where they are; the rest is the command line of any worker.

use std::process::ExitCode;
use std::time::Duration;

use deadpool_redis::redis::Client;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::cmd;
use postrider_core::task::{Compute, Context, Registry, Retry, Task, TaskResult};
use postrider_tests::ledger::{AGAIN, COUNT, RUNS, TRIES};
use postrider_worker::cli::App;
use serde::{Deserialize, Serialize};

/// What a run takes, so that some are always under way.
const WORK: Duration = Duration::from_millis(8);
/// Between two tries.
const WAIT: Duration = Duration::from_secs(1);

/// The books.
struct Ledger(MultiplexedConnection);

/// Ends well.
#[derive(Debug, Serialize, Deserialize)]
struct Count {}

impl Task for Count {
    const NAME: &'static str = COUNT;
}

impl Compute<Ledger> for Count {
    type Output = ();

    async fn compute(self, ledger: &Ledger, context: &Context) -> TaskResult {
        ledger.work(context).await
    }
}

/// Asks to be tried again, until its last try.
#[derive(Debug, Serialize, Deserialize)]
struct Again {}

impl Task for Again {
    const NAME: &'static str = AGAIN;
}

impl Compute<Ledger> for Again {
    type Output = ();

    async fn compute(self, ledger: &Ledger, context: &Context) -> TaskResult {
        ledger.work(context).await?;
        if context.retries + 1 < TRIES { Err(Retry::after(WAIT).into()) } else { Ok(()) }
    }
}

impl Ledger {
    async fn work(&self, context: &Context) -> TaskResult {
        let run = format!("{}:{}", context.id.as_str(), context.retries);
        cmd("HINCRBY").arg(RUNS).arg(run).arg(1).exec_async(&mut self.0.clone()).await?;
        tokio::time::sleep(WORK).await;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one setting that is not a worker's")]
fn main() -> ExitCode {
    let registry = Registry::new().register::<Count>().register::<Again>();
    App::new(registry).owned_queue("mixed").run_with(async |_| {
        let client = Client::open(std::env::var("LEDGER_REDIS")?)?;
        Ok(Ledger(client.get_multiplexed_async_connection().await?))
    })
}

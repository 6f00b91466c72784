//! A worker on celery-rs with one task that does nothing: `bench-celery-rs AMQP_URL QUEUE PREFETCH`.
//!
//! Its number of tasks at once is its prefetch. It acks before it runs a task, which is its default.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use celery::prelude::*;

static EXECUTED: AtomicU64 = AtomicU64::new(0);

/// Counts its runs.
#[celery::task(name = "bench.noop")]
fn noop() -> TaskResult<()> {
    EXECUTED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name| arguments.next().with_context(|| format!("missing: {name}"));
    let (url, queue, prefetch) = (next("AMQP_URL")?, next("QUEUE")?, next("PREFETCH")?.parse()?);
    let app = celery::app!(
        broker = AMQPBroker { url },
        tasks = [noop],
        task_routes = [],
        default_queue = &queue,
        prefetch_count = prefetch,
    )
    .await?;
    eprintln!("consuming");
    app.consume().await?;
    app.close().await?;
    println!("executed {}", EXECUTED.load(Ordering::Relaxed));
    Ok(())
}

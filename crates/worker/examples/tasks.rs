//! Five tasks of one's own: one that adds, one that computes for long, one that is retried, one that fails, and a chain.
//!
//! `cargo run -p postrider-worker --no-default-features --example tasks` runs them on a broker and a result store in
//! memory. The same tasks run on RabbitMQ and Redis with `Broker::Amqp` and `Results::Redis`, where Python calls them as
//! its own: `app.send_task("add", (1, 2)).get()`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postrider_core::broker::{Broker, MemoryBroker};
use postrider_core::canvas::chain;
use postrider_core::celery::{Call, Exception};
use postrider_core::clock::Clock;
use postrider_core::producer::Producer;
use postrider_core::results::{MemoryResults, ResultOptions, Results, WaitError};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{
    Compute, ComputeBlocking, Context, Registry, Retry, Run, Task, TaskError, TaskResult,
};
use postrider_worker::{Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};

const QUEUE: &str = "math";
const SOON: Duration = Duration::from_secs(10);

/// `add(x, y)`: a value comes back.
#[derive(Debug, Serialize, Deserialize)]
struct Add {
    x: i64,
    y: i64,
}

impl Task for Add {
    const NAME: &'static str = "add";
    const QUEUE: &'static str = QUEUE;
}

impl Compute<Services> for Add {
    type Output = i64;

    async fn compute(self, _services: &Services, _context: &Context) -> TaskResult<i64> {
        self.x.checked_add(self.y).ok_or_else(|| TaskError::fail("overflow", "the sum is too large"))
    }
}

/// Work for a processor: it has a thread of its own, and looks now and then whether it should end.
#[derive(Debug, Serialize, Deserialize)]
struct CountPrimes {
    below: u32,
}

impl Task for CountPrimes {
    const NAME: &'static str = "count_primes";
    const QUEUE: &'static str = QUEUE;
    const SOFT_TIME_LIMIT: Option<Duration> = Some(Duration::from_secs(30));
    const TIME_LIMIT: Option<Duration> = Some(Duration::from_mins(1));
}

impl ComputeBlocking<Services> for CountPrimes {
    type Output = u32;

    fn compute_blocking(self, _services: &Services, context: &Context) -> TaskResult<u32> {
        let mut primes = 0;
        for number in 2..self.below {
            if context.soft_limit_has_passed() {
                return Err(TaskError::fail("too_long", format!("came only to {number}")));
            }
            primes += u32::from((2..number).take_while(|d| d * d <= number).all(|d| number % d != 0));
        }
        Ok(primes)
    }
}

/// A printer that is busy at first: the task asks to be tried again in a second.
#[derive(Debug, Serialize, Deserialize)]
struct Print {
    text: String,
}

impl Task for Print {
    const NAME: &'static str = "print";
    const QUEUE: &'static str = QUEUE;
}

impl Compute<Services> for Print {
    type Output = String;

    async fn compute(self, services: &Services, context: &Context) -> TaskResult<String> {
        if services.prints.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Retry::after(Duration::from_secs(1)).into());
        }
        Ok(format!("{} after {} retries", self.text, context.retries))
    }
}

/// It fails as a Python task would that raises a `ValueError`.
#[derive(Debug, Serialize, Deserialize)]
struct CheckCode {
    code: String,
}

impl Task for CheckCode {
    const NAME: &'static str = "check_code";
    const QUEUE: &'static str = QUEUE;
    const SENSITIVE: bool = true;
}

impl Run<Services> for CheckCode {
    async fn run(self, _services: &Services, _context: &Context) -> TaskResult {
        if self.code.len() == 6 {
            return Ok(());
        }
        Err(TaskError::raise(Exception::builtin("ValueError", "a code has six digits")))
    }
}

/// What the tasks of this worker share.
#[derive(Default)]
struct Services {
    prints: AtomicU32,
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn call(producer: &Producer) -> Result<(), Box<dyn std::error::Error>> {
    let sum: i64 = producer.call(Add { x: 1, y: 2 }).await?.get(SOON).await?;
    println!("1 + 2 = {sum}");
    assert_eq!(sum, 3);

    let primes: u32 = producer.call(CountPrimes { below: 10_000 }).await?.get(SOON).await?;
    println!("there are {primes} primes below 10000");
    assert_eq!(primes, 1229);

    let printed: String = producer.call(Print { text: "printed".into() }).await?.get(SOON).await?;
    println!("{printed}");
    assert_eq!(printed, "printed after 1 retries");

    let failed = producer.call(CheckCode { code: "1".into() }).await?.get::<()>(SOON).await;
    let Err(WaitError::Failed(exception)) = failed else { return Err("a short code passed".into()) };
    println!("{exception}");
    assert_eq!(exception.kind, "ValueError");

    // The result of each step is the first argument of the next one. A step may be a task that only Python has.
    let plus = |y| Call::new(Add::NAME).option("queue", QUEUE).kwarg("y", y);
    let sum: i64 = producer.call(chain((Add { x: 1, y: 2 }, plus(3), plus(4)))).await?.get(SOON).await?;
    println!("1 + 2 + 3 + 4 = {sum}");
    assert_eq!(sum, 10);
    Ok(())
}

// Seen by the test that runs it.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = Shutdown::new();
    let memory = MemoryBroker::new(&shutdown);
    memory.declare(QUEUE, None);
    memory.declare("sms.dead", None);
    let broker = Broker::Memory(memory);
    let results = Results::Memory(MemoryResults::new(ResultOptions::default(), Clock::System));
    let producer = Producer::new(broker.clone(), Clock::System, "example").with_results(results.clone());

    let registry = Registry::new()
        .register::<Add>()
        .register_blocking::<CountPrimes>()
        .register::<Print>()
        .register::<CheckCode>();
    let options = Options {
        name: "math@example".into(),
        queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: false }],
        ..Options::default()
    };
    let worker = Worker::new(registry, Arc::<Services>::default(), broker, options)?
        .results(results, ResultOptions::default());
    let called = async {
        let called = call(&producer).await;
        shutdown.stop();
        called
    };
    let (drained, called) = tokio::join!(worker.run(&shutdown), called);
    assert!(drained, "all that ran was finished");
    called
}

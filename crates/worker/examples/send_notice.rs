//! A worker with a task of its own, and the producer that calls it. No SMS code is linked.
//!
//! `cargo run -p postrider-worker --no-default-features --example send_notice` runs it on the broker in memory. The
//! same lines run on RabbitMQ with `Broker::Amqp` in place of `Broker::Memory`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postrider_core::broker::{Broker, MemoryBroker};
use postrider_core::clock::Clock;
use postrider_core::phone::PhoneNumber;
use postrider_core::producer::Producer;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{Context, Registry, RetryPolicy, Run, Task, TaskError, TaskResult};
use postrider_worker::{Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Debug, Serialize, Deserialize)]
struct SendNotice {
    to: PhoneNumber,
    text: String,
}

impl Task for SendNotice {
    const NAME: &'static str = "shop.send_notice";
    const QUEUE: &'static str = "shop.low";
    const RETRY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(1)).max_retries(5);
}

impl Run<Services> for SendNotice {
    async fn run(self, services: &Services, _cx: &Context) -> TaskResult {
        services.sms.send(&self.to, &self.text)?;
        Ok(())
    }
}

/// What the tasks of this worker share.
#[derive(Default)]
struct Services {
    sms: Sms,
}

/// A provider that is down at the first call, so that a retry can be seen.
#[derive(Default)]
struct Sms {
    calls: Mutex<u32>,
    sent: Notify,
}

impl Sms {
    #[expect(clippy::print_stdout, reason = "an example shows what it does")]
    fn send(&self, to: &PhoneNumber, text: &str) -> Result<(), TaskError> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        if *calls == 1 {
            return Err(TaskError::retry("provider_down", "the provider is down"));
        }
        println!("to {to:?}: {text}");
        self.sent.notify_one();
        Ok(())
    }
}

// Seen by the test that runs it.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = Shutdown::new();
    let memory = MemoryBroker::new(&shutdown);
    memory.declare(SendNotice::QUEUE, None);
    let broker = Broker::Memory(memory);

    let producer = Producer::new(broker.clone(), Clock::System, "example");
    let notice =
        SendNotice { to: "+8613800138000".to_owned().try_into()?, text: "your parcel is here".into() };
    producer.enqueue(notice.countdown(Duration::from_secs(1))).await?;

    let services = Arc::new(Services::default());
    let options = Options {
        name: "example".into(),
        queues: vec![WorkQueue { name: SendNotice::QUEUE.into(), owned: true, returns: false }],
        concurrency: 10,
        ..Options::default()
    };
    let registry = Registry::new().register::<SendNotice>();
    let worker = Worker::new(registry, Arc::clone(&services), broker, options)?;
    let stop = shutdown.clone();
    tokio::join!(worker.run(&shutdown), async move {
        services.sms.sent.notified().await;
        stop.stop();
    });
    Ok(())
}

//! Many tasks whose time is far ahead: they wait in the broker, not in the worker. The server is the test's own, because
//! they stay in its delay queues.

use std::{fs, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use postrider_core::{
    broker::{
        Broker,
        message::{Message, Properties, Value},
        topology::Topology,
    },
    celery::format_instant,
    clock::Clock,
    shutdown::Shutdown,
};
use postrider_tests::{
    broker::connected,
    celery::send_sms,
    provider::Provider,
    servers::{Proc, RabbitMq, eventually},
    worker::Setup,
};
use uuid::Uuid;

/// The same holds for 100,000, which take a build for debugging some minutes.
const AHEAD: u32 = 16_000;
/// What the worker has seen before its memory is looked at: enough that all buffers of its connections were in use.
const FIRST: u32 = 8_000;
/// Half a kilobyte a task: far less than a message takes with its properties.
const MOST_GROWTH_KB: u64 = 8 * 1024;
/// An hour is 111000010000 seconds in binary: the task enters the ladder at its twelfth rung.
const RUNG: &str = "postrider.delay.11";
const LONG: Duration = Duration::from_secs(90);

/// A task an hour ahead, as Celery publishes it.
fn ahead() -> Message {
    let eta = Clock::System.now().checked_add(Duration::from_mins(61)).expect("not the end of time");
    let id = Uuid::new_v4().to_string();
    let text = |text: &str| Value::Str(text.into());
    let headers = [
        ("lang", text("py")),
        ("task", text("ccp_send_sms_code")),
        ("id", text(&id)),
        ("root_id", text(&id)),
        ("eta", text(&format_instant(eta))),
        ("argsrepr", text("('13800138000', '123456')")),
    ];
    Message {
        properties: Properties {
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            delivery_mode: Some(2),
            correlation_id: Some(id.clone()),
            ..Properties::default()
        },
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: br#"[["13800138000", "123456"], {}, {}]"#.to_vec().into(),
    }
}

async fn publish(broker: &Broker, queue: &str, count: u32) {
    let publish = |_| async { broker.publish(queue, &ahead()).await };
    stream::iter(0..count)
        .map(publish)
        .buffered(64)
        .try_collect::<()>()
        .await
        .expect("the broker takes them");
}

/// Resident memory, in kB.
fn memory(worker: &Proc) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_an_hour_ahead_take_no_memory_of_the_worker_and_hold_up_none_that_is_due() {
    let rabbitmq = RabbitMq::start().await;
    let provider = Provider::start().await;
    let setup = Setup::new("far-ahead")
        .broker(&rabbitmq.url())
        .provider(&provider)
        .text("log.level", "info")
        .set("worker.concurrency", "50");
    let worker = setup.start().await;
    let amqp = setup.amqp().await;
    let broker = connected(&rabbitmq.url(), Topology::default(), &Shutdown::new()).await;
    let waiting = async |count: u32| amqp.ready(RUNG).await == Some(count);
    publish(&broker, &setup.queue, FIRST).await;
    assert!(eventually(LONG, async || waiting(FIRST).await).await, "they are not on the ladder");
    let before = memory(&worker);

    publish(&broker, &setup.queue, AHEAD).await;
    let due = Uuid::new_v4().to_string();
    amqp.publish(&setup.queue, &send_sms(&due, "13800138000", "123456")).await;

    assert_eq!(provider.wait_for(1, LONG).await[0].id, due);
    assert!(eventually(LONG, async || waiting(FIRST + AHEAD).await).await, "they are not on the ladder");
    let grown = memory(&worker).saturating_sub(before);
    assert!(grown < MOST_GROWTH_KB, "the worker grew by {grown} kB");
    setup.finish(worker).await;
}

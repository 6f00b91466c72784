//! A thousand tasks while the worker is killed every second and replaced.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use deadpool_redis::redis::{AsyncCommands as _, Client};
use postrider_core::{
    broker::topology::{QueueType, Topology},
    clock::Clock,
    code::Code,
    phone::PhoneNumber,
    task::Signature,
    tasks::SendCode,
    verification::VerificationId,
};
use postrider_tests::{
    provider::{Answer, Provider},
    servers::{RabbitMq, Redis},
    worker::Setup,
};

const TASKS: usize = 1000;
const CONCURRENCY: usize = 20;
const LATENCY: Duration = Duration::from_millis(150);

/// What became of the tasks.
struct Ended {
    kills: usize,
    states: HashMap<String, usize>,
    provider: Provider,
    dead: usize,
}

/// Enqueues, kills and replaces until every send record has come to its end.
async fn run(policy: &str, idempotent: bool) -> Ended {
    let (rabbitmq, redis) = tokio::join!(RabbitMq::start(), Redis::start());
    let provider = Provider::answering(|_| Answer::taken().after(LATENCY)).await;
    let setup = Setup::new("killed")
        .broker(&rabbitmq.url())
        .redis(&redis.url())
        .provider(&provider)
        .text("sms.policy", policy)
        .text("sms.lease", "2s")
        .text("providers.webhook.connect_timeout", "500ms")
        .text("providers.webhook.timeout", "1s")
        .set("providers.webhook.idempotent", &idempotent.to_string())
        .set("worker.concurrency", &CONCURRENCY.to_string())
        .text("log.level", "info");
    // The first worker creates the queues.
    let mut worker = setup.start().await;
    enqueue(&setup).await;

    let client = Client::open(setup.redis_url.as_str()).expect("a good address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let (mut kills, begun) = (0, Instant::now());
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    let states = loop {
        second.tick().await;
        let states = states(&mut connection, &setup.prefix).await;
        let ended: usize =
            ["sent", "unknown", "expired", "dead"].iter().filter_map(|state| states.get(*state)).sum();
        if ended == TASKS {
            break states;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(200),
            "after {kills} kills: {states:?}\n{}",
            worker.log()
        );
        worker.sigkill();
        kills += 1;
        worker = setup.start().await;
        second.reset();
    };
    let dead = setup.command(&["dead", "list", "--json"]).await.text.lines().count();
    let text = setup.finish(worker).await;
    eprintln!(
        "policy {policy}: {kills} kills, {states:?}, {} provider calls, {dead} dead",
        provider.requests().len()
    );
    assert!(!text.contains("panicked"), "{text}");
    Ended { kills, states, provider, dead }
}

async fn enqueue(setup: &Setup) {
    let topology = Topology::default().work_queue(&setup.queue, QueueType::Quorum);
    let (producer, keys) = (setup.producer(topology).await, setup.keys());
    let calls = (0..TASKS).map(|number| {
        let to: PhoneNumber = format!("+86139{number:08}").try_into().expect("a number");
        let (id, life) = (VerificationId::random(), Duration::from_mins(5));
        let not_after = Clock::System.now() + life;
        let task =
            SendCode::seal(&keys, id.clone(), "shop", "login", (not_after, life), (&to, &Code::random()));
        producer.enqueue(Signature::new(task).id(id.task_id()).queue(&setup.queue).expires(not_after))
    });
    for enqueued in futures::future::join_all(calls).await {
        enqueued.expect("the broker confirms");
    }
}

/// How many send records are in each state.
async fn states(
    connection: &mut deadpool_redis::redis::aio::MultiplexedConnection,
    prefix: &str,
) -> HashMap<String, usize> {
    let keys: Vec<String> = connection.keys(format!("{prefix}:send:*")).await.expect("Redis answers");
    let mut states = HashMap::new();
    for key in keys {
        let state: String = connection.hget(key, "state").await.expect("Redis answers");
        *states.entry(state).or_default() += 1;
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_policy_stop_nothing_is_sent_twice_and_every_task_is_accounted_for() {
    let Ended { kills, states, provider, dead } = run("stop", false).await;
    let count = |state: &str| states.get(state).copied().unwrap_or(0);

    let mut calls: HashMap<String, usize> = HashMap::new();
    for request in provider.requests() {
        *calls.entry(request.key).or_default() += 1;
    }
    assert!(calls.values().all(|count| *count == 1), "something was sent twice");
    assert_eq!(count("sent") + count("unknown") + count("expired"), TASKS, "{states:?}");
    assert!(count("unknown") <= kills * CONCURRENCY, "{} unknown after {kills} kills", count("unknown"));
    assert_eq!(dead, 0);
    assert!(kills >= 3, "only {kills} kills");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_policy_retry_and_a_provider_that_dedupes_everything_is_sent_and_nothing_twice() {
    let Ended { kills, states, provider, dead } = run("retry", true).await;

    let texts = provider.texts_deduped();
    assert_eq!(texts.len(), TASKS);
    let repeated = provider.texts().len() - TASKS;
    assert!(repeated <= kills * CONCURRENCY, "{repeated} repetitions after {kills} kills");
    assert_eq!(states.get("sent"), Some(&TASKS), "{states:?}");
    assert_eq!(dead, 0);
}

//! Twenty thousand tasks of all kinds while the worker is killed, stopped and replaced at random, its pool changed, and the
//! broker restarted twice.
//!
//! 1. A quarter each: plain, with a countdown, with two retries, in chains of three.
//! 2. Every tick the worker gets KILL, TERM or QUIT and is replaced, or its pool grows or shrinks.
//! 3. The books tell how often each try of each task was begun. Once all were, and nothing is queued, they are closed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncCommands as _, AsyncConnectionConfig, Client};
use futures::{StreamExt as _, TryStreamExt as _};
use postrider_core::{
    broker::topology::{QueueType, Topology},
    canvas::chain,
    celery::Call,
    clock::Clock,
    producer::Producer,
    results::{MemoryResults, ResultOptions, Results},
    shutdown::Shutdown,
};
use postrider_tests::{
    amqp::Amqp,
    broker::connected,
    ledger::{AGAIN, COUNT, RUNS, TRIES},
    servers::{Proc, RabbitMq, Redis, eventually},
    worker::PATIENCE,
};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::Value;

/// Of each kind.
const TASKS: usize = 5_000;
const STEPS: usize = 3;
const CONCURRENCY: usize = 20;
/// How many deliveries one acknowledgement settles at the most: so many that are done may come again.
const ACKED_TOGETHER: usize = 64;
const QUEUE: &str = "mixed";
/// The longest countdown, in seconds.
const LATEST: usize = 20;
const WITHIN: Duration = Duration::from_mins(4);

/// Who runs the tasks, one process after the other.
struct Workers {
    amqp: String,
    redis: String,
    now: Proc,
    kills: usize,
}

impl Workers {
    async fn start(amqp: String, redis: String) -> Self {
        let now = begin(&amqp, &redis);
        let mut workers = Self { amqp, redis, now, kills: 0 };
        workers.consume().await;
        workers
    }

    async fn consume(&mut self) {
        self.now.wait_for_line(|line| line.contains("consuming"), PATIENCE).await;
    }

    /// Ends this one in that way, and starts the next.
    async fn replace(&mut self, signal: &str) {
        match signal {
            "KILL" => self.now.sigkill(),
            signal => self.now.signal(signal),
        }
        self.now.wait(PATIENCE).await;
        self.kills += 1;
        self.must_be_sound();
        self.now = begin(&self.amqp, &self.redis);
        self.consume().await;
    }

    /// Asks it over remote control to change its pool.
    async fn change_pool(&self, command: &str) {
        let words = ["control", command, "1", "--broker", &self.amqp];
        Proc::start("ledger-worker", words, [("LEDGER_REDIS", &self.redis)]).wait(PATIENCE).await;
    }

    fn must_be_sound(&self) {
        let log = self.now.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

fn begin(amqp: &str, redis: &str) -> Proc {
    let concurrency = CONCURRENCY.to_string();
    let words =
        ["worker", "-c", &concurrency, "-l", "info", "-n", "w1@%h", "-b", amqp, "--result-backend", redis];
    Proc::start("ledger-worker", words, [("LEDGER_REDIS", redis)])
}

/// The ids of what was enqueued.
#[derive(Default)]
struct Enqueued {
    /// Each try that is to be begun, as the books name it.
    tries: Vec<String>,
    /// Of each chain, its steps.
    chains: Vec<[String; STEPS]>,
}

async fn enqueue(producer: &Producer) -> Enqueued {
    let mut enqueued = Enqueued::default();
    let call = |task: &str, id: &str| Call::new(task).option("task_id", id).option("queue", QUEUE);
    let mut calls = Vec::new();
    for number in 0..TASKS {
        let [plain, later, again] = ["plain", "later", "again"].map(|kind| format!("{kind}-{number}"));
        enqueued.tries.extend([format!("{plain}:0"), format!("{later}:0")]);
        enqueued.tries.extend((0..TRIES).map(|retries| format!("{again}:{retries}")));
        let seconds = u64::try_from(1 + number % LATEST).expect("small");
        let workflow = |call: Call| chain([call]);
        calls.push(workflow(call(COUNT, &plain)));
        calls.push(workflow(call(COUNT, &later).option("countdown", seconds)));
        calls.push(workflow(call(AGAIN, &again)));
    }
    for number in 0..TASKS.div_ceil(STEPS) {
        let steps: [String; STEPS] = std::array::from_fn(|step| format!("chain-{number}-{step}"));
        calls.push(chain(steps.each_ref().map(|id| call(COUNT, id).immutable())));
        enqueued.tries.extend(steps.iter().map(|id| format!("{id}:0")));
        enqueued.chains.push(steps);
    }
    let published = futures::stream::iter(calls).map(|call| producer.enqueue(call)).buffer_unordered(1_000);
    let all: Result<Vec<String>, _> = published.try_collect().await;
    all.expect("the broker confirms");
    enqueued
}

/// How many tries are on the books.
async fn begun_tries(redis: &mut MultiplexedConnection) -> usize {
    redis.hlen(RUNS).await.expect("Redis answers")
}

async fn books(redis: &mut MultiplexedConnection) -> HashMap<String, usize> {
    redis.hgetall(RUNS).await.expect("Redis answers")
}

/// How many messages lie in any of the queues, the dead letters among them.
async fn left(amqp: &Amqp) -> u32 {
    let rungs = (0..18).map(|rung| format!("postrider.delay.{rung}"));
    let others = ["mixed", "mixed.returned", "mixed.unclaimed", "sms.dead"].map(str::to_owned);
    let mut left = 0;
    for queue in rungs.chain(others) {
        left += amqp.ready(&queue).await.unwrap_or(0);
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_mixed_tasks_outlive_kills_stops_and_two_restarts_of_the_broker() {
    let (mut rabbitmq, redis) = tokio::join!(RabbitMq::start(), Redis::start());
    let mut workers = Workers::start(rabbitmq.url(), redis.url()).await;
    let topology =
        Topology::default().work_queue(QUEUE, QueueType::Quorum).delay_ladder(QueueType::Quorum, [QUEUE]);
    let broker = connected(&rabbitmq.url(), topology, &Shutdown::new()).await;
    // Chords need a store, chains none.
    let nowhere = Results::Memory(MemoryResults::new(ResultOptions::default(), Clock::System));
    let enqueued = enqueue(&Producer::new(broker, Clock::System, "test").with_results(nowhere)).await;
    let client = Client::open(redis.url()).expect("a good address");
    let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let books_of = client.get_multiplexed_async_connection_with_config(&patient).await;
    let mut books_of = books_of.expect("Redis answers");

    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let (begun, mut restarts) = (Instant::now(), 0);
    loop {
        let tick = Duration::from_millis(300 + u64::from(random.next_u32() % 1_200));
        if eventually(tick, async || begun_tries(&mut books_of).await == enqueued.tries.len()).await {
            break;
        }
        let begun_tries = begun_tries(&mut books_of).await;
        if restarts < 2 && begun_tries > enqueued.tries.len() * (restarts + 1) / 3 {
            rabbitmq.stop().await;
            rabbitmq.start_again().await;
            restarts += 1;
        }
        match random.next_u32() % 6 {
            0 | 1 => workers.replace("KILL").await,
            2 => workers.replace("TERM").await,
            3 => workers.replace("QUIT").await,
            4 => workers.change_pool("pool_grow").await,
            _ => workers.change_pool("pool_shrink").await,
        }
        assert!(begun.elapsed() < WITHIN, "{begun_tries} of {} tries in {WITHIN:?}", enqueued.tries.len());
    }

    // What was begun ends, and what was not yet acknowledged comes once more.
    let amqp = Amqp::connect(&rabbitmq.url()).await;
    let chains_end = eventually(PATIENCE, async || {
        for chain in &enqueued.chains {
            let meta: Option<String> =
                books_of.get(format!("celery-task-meta-{}", chain[STEPS - 1])).await.expect("Redis answers");
            let state = meta.and_then(|meta| serde_json::from_str::<Value>(&meta).ok());
            if state.is_none_or(|meta| meta["status"] != "SUCCESS") {
                return false;
            }
        }
        true
    });
    assert!(chains_end.await, "a chain has not come to its end");
    assert!(eventually(PATIENCE, async || left(&amqp).await == 0).await, "{} are left", left(&amqp).await);
    workers.now.sigterm();
    assert!(workers.now.wait(PATIENCE).await.success());
    workers.must_be_sound();
    assert_eq!(left(&amqp).await, 0, "the last worker gave something back");

    let books = books(&mut books_of).await;
    let runs = |id: &str| books.get(&format!("{id}:0")).copied().unwrap_or(0);
    assert!(enqueued.tries.iter().all(|one| books.contains_key(one)), "a task was never begun");
    // A step that is run again calls its successors again.
    let followed: usize = enqueued
        .chains
        .iter()
        .flat_map(|chain| chain.windows(2))
        .map(|two| runs(&two[1]).min(runs(&two[0])) - 1)
        .sum();
    let extra = books.values().sum::<usize>() - books.len() - followed;
    // A restart of the broker is the loss of the one connection that messages come on.
    let most = (workers.kills + restarts) * (CONCURRENCY + ACKED_TOGETHER);
    eprintln!(
        "{} tries in {:?}: {} kills and stops, {restarts} restarts of the broker; begun {extra} times too often, at most \
         {most}, and {followed} successors of steps that were run again",
        books.len(),
        begun.elapsed(),
        workers.kills,
    );
    assert!(extra <= most, "{extra} runs too many of {most}");
    assert!(restarts == 2 && workers.kills >= 5, "{restarts} restarts, {} kills", workers.kills);
}

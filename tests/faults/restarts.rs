//! RabbitMQ and Redis go away and come back; api and worker stay.

use std::time::{Duration, Instant};

use postrider_tests::{
    api::{Api, ApiSetup},
    provider::Provider,
    servers::{Proc, RabbitMq, Redis, eventually},
    worker::{PATIENCE, Setup},
};

struct Stack {
    rabbitmq: RabbitMq,
    redis: Redis,
    provider: Provider,
    setup: Setup,
    api: Api,
    worker: Proc,
}

async fn stack() -> Stack {
    let (rabbitmq, redis) = tokio::join!(RabbitMq::start(), Redis::start_with(Redis::DURABLE));
    let provider = Provider::start().await;
    let setup = Setup::new("restart").broker(&rabbitmq.url()).redis(&redis.url()).provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).start().await;
    Stack { rabbitmq, redis, provider, setup, api, worker }
}

impl Stack {
    /// The whole main job once: asked for, sent, checked.
    async fn works(&self, to: &str) -> bool {
        let seen = self.provider.requests().len();
        let created = self.api.create(to).await;
        if created.status != 201 {
            return false;
        }
        let requests = self.provider.wait_for(seen + 1, PATIENCE).await;
        let code = &requests.iter().rfind(|request| request.to == to).expect("its SMS").code;
        let checked = self.api.check(created.id(), code).await;
        assert_eq!(checked.status, 200, "{}", checked.text);
        true
    }

    /// How long after the server accepts connections the main job works again, with numbers that nobody has used.
    async fn works_again(&self, what: &str) {
        let (begun, mut number) = (Instant::now(), 0);
        let again = eventually(Duration::from_secs(30), async || {
            number += 1;
            self.works(&format!("+8613700{:06}", number * 1000 + what.len())).await
        })
        .await;
        assert!(
            again,
            "{what} is back, the service is not:\n{}\n{}",
            self.api.process.log(),
            self.worker.log()
        );
        eprintln!("{what} accepted connections; the main job worked again after {:?}", begun.elapsed());
    }

    async fn end(self) {
        self.setup.finish(self.worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_goes_and_comes_back_and_nobody_is_restarted() {
    let mut stack = stack().await;
    assert!(stack.works("+8613800000001").await);

    stack.rabbitmq.stop().await;
    let refused = stack.api.create("+8613800000002").await;
    assert_eq!((refused.status, refused.code(), refused.text_of("sent")), (503, "queue_unavailable", "no"));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(eventually(PATIENCE, async || stack.api.get("/readyz").await.status == 503).await);

    stack.rabbitmq.start_again().await;
    stack.works_again("RabbitMQ").await;
    // The throttle was given back: the number that got nothing may ask at once.
    assert!(stack.works("+8613800000002").await);
    assert!(stack.api.becomes_ready(PATIENCE).await);
    stack.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_goes_and_comes_back_and_nobody_is_restarted() {
    let mut stack = stack().await;
    assert!(stack.works("+8613800000001").await);
    let waiting = stack.api.create("+8613800000003").await;
    assert_eq!(waiting.status, 201);

    stack.redis.stop().await;
    let refused = stack.api.create("+8613800000002").await;
    assert_eq!((refused.status, refused.code(), refused.text_of("sent")), (503, "store_unavailable", "no"));
    let unchecked = stack.api.check(waiting.id(), "000000").await;
    assert_eq!((unchecked.status, unchecked.code()), (503, "store_unavailable"));

    stack.redis.start_again().await;
    stack.works_again("Redis").await;
    let state = stack.api.get(&format!("/v1/verifications/{}", waiting.id())).await;
    assert_eq!(
        state.body["checks_left"], 5,
        "a check that could not be counted was not made: {}",
        state.text
    );
    stack.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_wait_while_redis_is_down_and_are_sent_when_it_is_back() {
    let mut stack = stack().await;
    stack.worker.sigterm();
    stack.worker.wait(PATIENCE).await;
    let created = stack.api.create("+8613800000001").await;
    assert_eq!(created.status, 201);

    stack.redis.stop().await;
    stack.worker = stack.setup.start().await;
    stack.worker.wait_for_line(|line| line.contains("nothing is sent without a send record"), PATIENCE).await;
    assert_eq!(stack.provider.requests().len(), 0);

    stack.redis.start_again().await;
    stack.provider.wait_for(1, PATIENCE).await;
    stack.end().await;
}

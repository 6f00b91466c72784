//! `deploy/redis` on a Redis of its own: the main job as the roles' users, what they are refused, and a restart.

use deadpool_redis::redis::{Client, Value, aio::MultiplexedConnection, cmd};
use lapin::types::FieldTable;
use postrider_tests::{
    provider::{Answer, Provider},
    servers::{eventually, shared_amqp_url},
    worker::Setup,
};

use uuid::Uuid;

use crate::{
    SOON,
    shipped::{self, Store},
};

const NUMBER: &str = "+8613800138000";

struct Stack {
    store: Store,
    provider: Provider,
    setup: Setup,
}

impl Stack {
    async fn start(test: &str) -> Self {
        let provider =
            Provider::answering(|request| Answer::status(if request.attempt == 1 { 429 } else { 200 })).await;
        let setup = Setup::new(test).provider(&provider);
        let store = Store::start(&setup.prefix, &[]).await;
        let setup = setup.redis(&store.url("postrider-worker"));
        Self { store, provider, setup }
    }

    fn api(&self) -> postrider_tests::api::ApiSetup {
        shipped::api(&self.setup, &shared_amqp_url(), &self.store.url("postrider-api"))
            .set("amqp.declare", "true")
            .text("shop.app", "shop")
    }
}

#[tokio::test]
async fn the_main_job_runs_with_the_rights_of_its_roles_and_every_other_command_and_key_is_refused() {
    let stack = Stack::start("acl").await;
    let worker = stack.setup.start().await;
    let api = stack.api().start().await;

    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let sent = stack.provider.wait_for(2, SOON).await.remove(1);
    let id = created.id();
    let state = format!("/v1/verifications/{id}");
    let written = eventually(SOON, async || api.get(&state).await.body["delivery"]["state"] == "sent").await;
    assert!(written, "the worker cannot write back: {}", api.get(&state).await.text);
    assert_eq!(api.check(id, "000000").await.status, 422);
    assert_eq!(api.check(id, &sent.code).await.status, 200);
    // A picture is kept, looked at and burned.
    let picture = Uuid::new_v4();
    assert_eq!(api.get(&format!("/image_codes/{picture}/")).await.headers["content-type"], "image/png");
    assert_eq!(api.get(&format!("/image_codes/{picture}/audio/")).await.status, 200);
    let answer = api.get(&format!("/sms_codes/13800138002/?uuid={picture}&image_code=0000")).await;
    assert_eq!(answer.code(), "4001", "{}", answer.text);
    // A publish that certainly did not happen gives everything back; the rights for that are others.
    let (channel, queue) = (stack.setup.amqp().await.channel().await, stack.setup.queue.as_str());
    channel.queue_unbind(queue.into(), queue.into(), queue.into(), FieldTable::default()).await.unwrap();
    let refused = api.create("+8613800138001").await;
    assert_eq!((refused.status, refused.code()), (503, "queue_unavailable"), "{}", refused.text);

    let mut admin = connect(&stack.store.url("postrider-admin")).await;
    let denied: Value = cmd("ACL").arg("LOG").query_async(&mut admin).await.unwrap();
    assert_eq!(denied, Value::Array(Vec::new()), "Redis refused what the main job needs");

    refusals(&stack.store, &stack.setup.prefix).await;
    api.finish().await;
    stack.setup.finish(worker).await;
}

/// What a role must not do, one by one.
async fn refusals(store: &Store, prefix: &str) {
    let key = |kind: &str| format!("{prefix}:{kind}:x");
    for user in ["postrider-api", "postrider-worker"] {
        let mut redis = connect(&store.url(user)).await;
        for command in [
            vec!["FLUSHALL"],
            vec!["KEYS", "*"],
            vec!["SCAN", "0"],
            vec!["CONFIG", "GET", "*"],
            vec!["ACL", "LIST"],
            vec!["EVAL", "return 1", "0"],
            vec!["CLIENT", "KILL", "TYPE", "normal"],
            vec!["SCRIPT", "FLUSH"],
            vec!["DUMP", &key("verification")],
            vec!["PUBLISH", "x", "y"],
            vec!["HGET", "sms_13800138000", "x"],
            vec!["HGET", "another:verification:x", "x"],
        ] {
            assert!(refuses(&mut redis, &command).await, "{user} may {command:?}");
        }
    }
    let mut api = connect(&store.url("postrider-api")).await;
    assert!(refuses(&mut api, &["HSET", &key("send"), "a", "b"]).await, "the api may write send records");
    let mut worker = connect(&store.url("postrider-worker")).await;
    for command in [["GET", &key("throttle")], ["DEL", &key("throttle")], ["GET", &key("latest")]] {
        assert!(refuses(&mut worker, &command).await, "the worker may {command:?}");
    }
    // Who does not say who he is, or says it wrongly.
    let mut nobody = connect(&store.server.url()).await;
    let answer = cmd("PING").query_async::<Value>(&mut nobody).await;
    assert!(answer.is_err_and(|error| error.code() == Some("NOAUTH")), "nobody may ask");
    let wrong = Client::open(store.server.url_as("postrider-api", "wrong")).expect("an address");
    assert!(wrong.get_multiplexed_async_connection().await.is_err(), "any password will do");
}

async fn refuses(redis: &mut MultiplexedConnection, command: &[&str]) -> bool {
    let answer = cmd(command[0]).arg(&command[1..]).query_async::<Value>(redis).await;
    answer.is_err_and(|error| error.code() == Some("NOPERM"))
}

async fn connect(url: &str) -> MultiplexedConnection {
    Client::open(url)
        .expect("an address")
        .get_multiplexed_async_connection()
        .await
        .expect("Redis lets the user in")
}

#[tokio::test]
async fn after_a_restart_the_number_must_still_wait_and_its_code_still_checks() {
    let mut stack = Stack::start("aof").await;
    let api = stack.api().start().await;
    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);

    stack.store.server.stop().await;
    stack.store.server.start_again().await;

    let mut again = api.create(NUMBER).await;
    let answered = eventually(SOON, async || {
        again = api.create(NUMBER).await;
        again.status != 503
    })
    .await;
    assert!(answered, "{}", again.text);
    assert_eq!((again.status, again.code()), (429, "cooldown_active"), "{}", again.text);
    let state = api.get(&format!("/v1/verifications/{}", created.id())).await;
    assert_eq!((state.status, state.text_of("status")), (200, "pending"), "{}", state.text);
    api.finish().await;
    stack.setup.amqp().await.delete([&stack.setup.queue]).await;
}

#[tokio::test]
async fn the_shipped_redis_evicts_nothing_and_keeps_a_log() {
    let store = Store::start("limits", &[]).await;

    let mut admin = connect(&store.url("postrider-admin")).await;
    for (setting, value) in
        [("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "everysec"), ("save", "")]
    {
        let found: Vec<String> = cmd("CONFIG").arg("GET").arg(setting).query_async(&mut admin).await.unwrap();
        assert_eq!(found[1], value, "{setting}");
    }
}

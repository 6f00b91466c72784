//! `shop.django_redis_url`: the codes where the tutorial's Django code reads them, and taken back with what was not sent.

use std::collections::BTreeMap;

use deadpool_redis::redis::{Client, cmd};
use lapin::options::QueueDeleteOptions;
use postrider_tests::{
    api::{Api, ApiSetup, SECRET_KEY},
    servers::{Redis, eventually},
    worker::Setup,
};
use serde_json::{Value, json};

use super::{
    super::{SOON, assert_problem, discard, hash, post_as, redis_content},
    MOBILE,
};

/// Django's database, and an api that writes there. Its queue is clear, so that a test reads the code that is sent.
struct Shop {
    setup: Setup,
    redis: Redis,
    api: Api,
}

impl Shop {
    async fn start(test: &str, shape: impl FnOnce(ApiSetup) -> ApiSetup) -> Self {
        let (setup, redis) = (Setup::new(test), Redis::start().await);
        let api = ApiSetup::new(&setup)
            .shop()
            .text("queue.payload", "clear")
            .text("redis.timeout", "500ms")
            .text("shop.django_redis_url", &database(&redis));
        let api = shape(api).start().await;
        Self { setup, redis, api }
    }

    /// What Django finds: each key with its value and the ms that are left of it.
    async fn found(&self) -> BTreeMap<String, (String, i64)> {
        let client = Client::open(database(&self.redis)).expect("a good address");
        let mut django = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut django).await.expect("Redis answers");
        let mut found = BTreeMap::new();
        for key in keys {
            let value = cmd("GET").arg(&key).query_async(&mut django).await.expect("a text");
            let left = cmd("PTTL").arg(&key).query_async(&mut django).await.expect("Redis answers");
            found.insert(key, (value, left));
        }
        found
    }

    async fn send(&self) -> String {
        let (picture, text) = self.setup.picture(&self.api).await;
        self.api.send_sms_code(MOBILE, picture, &text).await.retcode().to_owned()
    }

    /// The code of the task in the queue, which is taken out.
    async fn sent(&self) -> String {
        let task = self.setup.amqp().await.take(&self.setup.queue, SOON).await;
        let body: Value = serde_json::from_slice(&task.body).expect("a clear task is JSON");
        assert_eq!(body[0][0], MOBILE);
        body[0][1].as_str().expect("a text, for its leading zeros").to_owned()
    }

    async fn delete_queue(&self) {
        let channel = self.setup.amqp().await.channel().await;
        let deleted = channel.queue_delete(self.setup.queue.as_str().into(), QueueDeleteOptions::default());
        deleted.await.expect("the api has declared it");
    }
}

/// The database in which Django reads: another one than Postrider's.
fn database(redis: &Redis) -> String {
    format!("{}2", redis.url().trim_end_matches('0'))
}

fn values(found: BTreeMap<String, (String, i64)>) -> Vec<(String, String)> {
    found.into_iter().map(|(key, (value, _))| (key, value)).collect()
}

#[tokio::test]
async fn django_finds_the_code_that_is_sent_for_as_long_as_it_is_good_and_the_flag_for_the_gap() {
    let shop = Shop::start("django", |api| api).await;

    assert_eq!(shop.send().await, "0");

    let (code, found) = (shop.sent().await, shop.found().await);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["send_flag_13800138000", "sms_13800138000"]);
    let (flag, gap) = &found["send_flag_13800138000"];
    let (kept, life) = &found["sms_13800138000"];
    assert_eq!((flag.as_str(), kept), ("1", &code));
    assert!((55_000..=60_000).contains(gap) && (295_000..=300_000).contains(life), "{found:?}");
    assert_eq!(shop.send().await, "4002");
    assert_eq!(shop.found().await["sms_13800138000"].0, code, "what is refused writes nothing");
    let log = shop.api.finish().await;
    let warned = log.lines().find(|line| line.contains("shop.django_redis_url is set")).expect("a warning");
    assert!(warned.contains("WARN") && warned.contains("app=shop") && warned.contains("/2"), "{warned}");
    assert_eq!(discard(&shop.setup).await, 0);
}

#[tokio::test]
async fn the_start_log_names_the_database_without_its_password() {
    let setup = Setup::new("django-password");
    let api = ApiSetup::new(&setup)
        .shop()
        .text("shop.django_redis_url", "redis://django:s3cret@127.0.0.1:1/2")
        .listening()
        .await;

    let log = api.finish().await;

    assert!(log.contains("redis://******@127.0.0.1:1/2") && !log.contains("s3cret"), "{log}");
    discard(&setup).await;
}

#[tokio::test]
async fn codes_of_the_shops_app_are_written_whoever_asks_and_those_of_other_apps_are_not() {
    let other = format!("name = \"other\"\nsecret_key_hashes = [\"{}\"]", hash("prk_other"));
    let shop = Shop::start("django-apps", |api| api.app(&other)).await;
    let shop = Shop { api: shop.api.with_key(None), ..shop };
    let create = async |key: &str, to: &str| {
        post_as(&shop.api, key, "/v1/verifications", &json!({"to": to})).await.status
    };

    assert_eq!(create("prk_other", "+8613800138001").await, 201);
    assert_eq!(shop.found().await.len(), 0);
    shop.setup.amqp().await.take(&shop.setup.queue, SOON).await;
    assert_eq!(create(SECRET_KEY, "+8613800138000").await, 201);

    assert_eq!(shop.found().await["sms_13800138000"].0, shop.sent().await);
    shop.api.finish().await;
    assert_eq!(discard(&shop.setup).await, 0);
}

#[tokio::test]
async fn what_was_not_queued_is_taken_back_and_an_earlier_code_stands_there_again() {
    let gapless = r#"[{ window = "1h", max = 5 }]"#;
    let shop = Shop::start("django-undo", |api| api.set("throttle.number", gapless)).await;
    shop.delete_queue().await;

    assert_eq!(shop.send().await, "5000");
    assert_eq!(shop.found().await.len(), 0);

    assert!(shop.api.becomes_ready(SOON).await);
    let sent = eventually(SOON, async || shop.send().await == "0").await;
    assert!(sent, "{}", shop.api.process.log());
    let (code, before) = (shop.sent().await, shop.found().await);
    assert_eq!(values(before.clone()), [("sms_13800138000".to_owned(), code)], "no gap, no flag");
    shop.delete_queue().await;
    assert_eq!(shop.send().await, "5000");

    let after = shop.found().await;
    assert_eq!(values(after.clone()), values(before.clone()));
    let (now, earlier) = (after["sms_13800138000"].1, before["sms_13800138000"].1);
    assert!(now <= earlier && now > earlier - 20_000, "it runs out when it would have: {before:?} {after:?}");
    shop.api.finish().await;
    discard(&shop.setup).await;
}

#[tokio::test]
async fn where_django_cannot_be_written_nothing_is_sent_and_nothing_counts() {
    let mut shop = Shop::start("django-down", |api| api).await;
    assert!(shop.api.becomes_ready(SOON).await);
    let before = redis_content(&shop.setup).await;
    shop.redis.stop().await;

    assert_eq!(shop.send().await, "5000");
    assert_problem("by key", &shop.api.create("+8613800138000").await, 503, "store_unavailable");

    let left = redis_content(&shop.setup).await;
    assert!(before.is_empty() && left.keys().all(|key| key.contains(":throttle:")), "{left:?}");
    let not_ready = eventually(SOON, async || shop.api.get("/readyz").await.status == 503);
    assert!(not_ready.await, "an api that can send nothing is not ready");
    shop.redis.start_again().await;
    assert!(shop.api.becomes_ready(SOON).await);
    assert_eq!(shop.send().await, "0", "the window was given back");
    assert_eq!(shop.found().await["sms_13800138000"].0, shop.sent().await);
    shop.api.finish().await;
    assert_eq!(discard(&shop.setup).await, 0);
}

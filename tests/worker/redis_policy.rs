//! A Redis that may evict send records: one SMS could be sent twice.

use postrider_tests::{
    servers::Redis,
    worker::{PATIENCE, Setup, ended},
};

const EVICTS: &[&str] = &["--maxmemory-policy", "allkeys-lru"];
const NO_ARGS: [&str; 0] = [];
const NO_ENV: [(&str, &str); 0] = [];

#[tokio::test]
async fn a_redis_that_evicts_is_refused_with_the_setting_to_change() {
    let redis = Redis::start_with(EVICTS).await;
    let setup = Setup::new("evicts").text("redis.url", &redis.url());

    let output = ended(setup.spawn(NO_ARGS, NO_ENV)).await;

    assert_eq!(output.status.code(), Some(78), "{}", output.text);
    for part in ["redis.eviction", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"] {
        assert!(output.text.contains(part), "{part}: {}", output.text);
    }
    assert!(!output.text.contains("consuming"), "{}", output.text);
}

#[tokio::test]
async fn a_redis_that_evicts_and_was_down_at_the_start_stops_the_worker_when_it_answers() {
    let mut redis = Redis::start_with(EVICTS).await;
    let setup = Setup::new("evicts-late").text("redis.url", &redis.url());
    redis.stop().await;

    let mut worker = setup.spawn(NO_ARGS, NO_ENV);
    worker.wait_for_line(|line| line.contains("Redis does not answer yet"), PATIENCE).await;
    redis.start_again().await;

    let output = ended(worker).await;
    assert_eq!(output.status.code(), Some(78), "{}", output.text);
    assert!(output.text.contains("CONFIG SET maxmemory-policy noeviction"), "{}", output.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn a_redis_that_evicts_may_be_accepted() {
    let redis = Redis::start_with(EVICTS).await;
    let setup = Setup::new("accepted").text("redis.url", &redis.url()).text("redis.eviction", "accepted");

    let worker = setup.start().await;

    let log = setup.finish(worker).await;
    assert!(log.contains("the configuration accepts it") && log.contains("allkeys-lru"), "{log}");
}

#[tokio::test]
async fn a_redis_that_does_not_say_is_warned_of() {
    let user = ["--user", "worker", "on", ">word", "~*", "&*", "+@all", "-info"];
    let redis = Redis::start_with(&user).await;
    let url = redis.url().replace("redis://", "redis://worker:word@");
    let setup = Setup::new("does-not-say").text("redis.url", &url);

    let worker = setup.start().await;

    let log = setup.finish(worker).await;
    assert!(log.contains("Redis does not say whether it evicts keys"), "{log}");
}

//! What only Redis has: names, lifetimes, the channel, a lost connection, and members of a chord that are Python's.

use std::path::Path;
use std::time::Duration;

use deadpool_redis::redis::{Client, cmd};
use futures::StreamExt as _;
use postrider_core::broker::message::Properties;
use postrider_core::redis::RedisConfig;
use postrider_core::results::{Joined, Meta, RedisResults, ResultError, ResultOptions, Results, State};
use postrider_core::shutdown::Shutdown;
use postrider_tests::servers::{self, shared_redis_url};
use serde_json::{Value, json};

use super::chords::part;
use super::{LONG, Store, connection, on_redis};
use crate::rig::RUNTIME;

#[test]
fn a_result_is_kept_and_told_under_the_name_that_celery_knows() {
    on_redis(async |store| {
        let channel = format!("celery-task-meta-{}", store.id("a"));
        let mut pubsub = Client::open(shared_redis_url()).unwrap().get_async_pubsub().await.unwrap();
        pubsub.subscribe(&channel).await.unwrap();

        store.store(&store.success("a", json!(3))).await;

        let message = pubsub.on_message().next().await.unwrap();
        let told: String = message.get_payload().unwrap();
        let mut connection = connection().await;
        let kept: String = cmd("GET").arg(&channel).query_async(&mut connection).await.unwrap();
        let ttl: i64 = cmd("TTL").arg(&channel).query_async(&mut connection).await.unwrap();
        assert_eq!(told, kept);
        assert!(told.starts_with(r#"{"status":"SUCCESS","result":3,"#), "{told}");
        assert!((86_390..=86_400).contains(&ttl), "{ttl}");
    });
}

#[test]
fn lifetimes_are_those_that_were_asked_for() {
    RUNTIME.block_on(async {
        for (expires, ttls) in [(None, -1..=-1), (Some(Duration::from_mins(1)), 50..=60)] {
            let store = Store::redis(ResultOptions { expires, ..ResultOptions::default() });
            store.store(&store.success("a", json!(3))).await;
            store.results.set_chord_size(&store.id("g"), 2).await.unwrap();
            store.results.chord_part(&part(&store, "g", 0)).await.unwrap();

            let mut connection = connection().await;
            let keys =
                ["-g.s", "-g.j", "-g.d"].map(|key| format!("celery-taskset-meta-{}{key}", store.prefix));
            for key in keys.into_iter().chain([format!("celery-task-meta-{}", store.id("a"))]) {
                let ttl: i64 = cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
                assert!(ttls.contains(&ttl), "{key}: {ttl}");
            }
            store.close().await;
        }
    });
}

#[test]
fn a_success_that_python_stored_is_seen_however_it_is_written() {
    on_redis(async |store| {
        let mut connection = connection().await;
        let key = format!("celery-task-meta-{}", store.id("a"));
        for stored in [
            json!({"status": "SUCCESS", "result": 1, "task_id": "a"}).to_string(),
            r#"{"status": "SUCCESS", "result": {"status": "FAILURE"}, "task_id": "a"}"#.to_owned(),
            r#"{"task_id": "a", "result": {"status": "FAILURE"}, "status": "SUCCESS"}"#.to_owned(),
        ] {
            cmd("SET").arg(&key).arg(&stored).exec_async(&mut connection).await.unwrap();

            store.store(&store.failure("a")).await;

            let kept: String = cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
            assert_eq!(kept, stored);
        }
        cmd("SET").arg(&key).arg("\u{80}pickled").exec_async(&mut connection).await.unwrap();
        let unreadable = store.results.get(&store.id("a")).await;
        assert!(matches!(unreadable, Err(ResultError::Unreadable(_))), "{unreadable:?}");
        store.store(&store.failure("a")).await;
        assert!(store.results.of(store.id("a")).failed().await.unwrap());
    });
}

#[test]
fn members_of_python_and_of_rust_complete_one_chord() {
    on_redis(async |store| {
        let [join, _, cleanup] = celerys_scripts();
        let mut connection = connection().await;
        // Whoever comes last: a member of ours, then one of Python's.
        for (group, last_is_ours) in [("ours", true), ("theirs", false)] {
            store.results.set_chord_size(&store.id(group), 2).await.unwrap();
            let places = if last_is_ours { [1, 0] } else { [0, 1] };
            let [theirs, ours] = places.map(|place| part(store, group, place));
            let member = json!([1, theirs.task_id, "SUCCESS", theirs.result]).to_string();
            let place = theirs.group_index.unwrap();
            let keys = [".j", ".t", ".s", ".d", "", ".c"]
                .map(|suffix| format!("celery-taskset-meta-{}{suffix}", theirs.group_id));
            let mut python = cmd("EVAL");
            python.arg(&join).arg(6).arg(&keys).arg(&theirs.task_id).arg(member).arg(1).arg(place);
            python.arg(86_400).arg(86_400).arg(6).arg("python");

            if last_is_ours {
                let _: Value4 = python.query_async(&mut connection).await.unwrap();
                let joined = store.results.chord_part(&ours).await.unwrap();
                let Joined::Ready { values, claim } = joined else { panic!("{joined:?}") };
                assert_eq!(values, [json!(0), json!(10)]);
                assert!(store.results.chord_done(&claim).await.unwrap());
                let (count, ..): Value4 = python.query_async(&mut connection).await.unwrap();
                assert_eq!(count, -1, "Python sees that it is done");
            } else {
                assert_eq!(store.results.chord_part(&ours).await.unwrap(), Joined::Waiting);
                let (count, _, size, claimed): Value4 = python.query_async(&mut connection).await.unwrap();
                assert_eq!((count, size.as_deref(), claimed), (2, Some("2"), 1));
                assert_eq!(store.results.chord_part(&ours).await.unwrap(), Joined::Waiting);
                let mut done = cmd("EVAL");
                let [members, added, size, seen, _, claim] = &keys;
                done.arg(&cleanup).arg(5).arg(&[claim, members, added, size, seen]).arg("python").arg(300);
                let cleaned: i64 = done.query_async(&mut connection).await.unwrap();
                assert_eq!(cleaned, 1);
                assert_eq!(store.results.chord_part(&ours).await.unwrap(), Joined::AlreadyDone);
            }
        }
    });
}

/// What Celery's script returns: how many are there, what was added, the size, whether it has the claim.
type Value4 = (i64, Option<String>, Option<String>, i64);

/// The scripts that Celery 5.7 loads, as they were captured: for a member, for more time, and for the end.
fn celerys_scripts() -> [String; 3] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/celery/redis-chord-commands.json");
    let commands: Vec<Vec<String>> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let loaded = commands.into_iter().filter(|command| command[..2] == ["SCRIPT", "LOAD"]);
    let scripts: Vec<String> = loaded.map(|mut command| command.remove(2)).collect();
    scripts.try_into().unwrap()
}

#[test]
fn a_restart_of_redis_is_waited_out_by_who_stores_and_by_who_waits() {
    RUNTIME.block_on(async {
        let shutdown = Shutdown::new();
        let mut redis = servers::Redis::start().await;
        let config = RedisConfig {
            url: redis.url().into(),
            prefix: String::new(),
            connections: 1,
            timeout: Duration::from_secs(5),
        };
        let results =
            Results::Redis(RedisResults::start(&config, ResultOptions::default(), &shutdown).unwrap());
        let started = Meta::started("a", 1, "w1@host");
        results.store(&started, &Properties::default()).await.unwrap();

        let (waited, ()) = tokio::join!(results.wait("a", LONG), async {
            redis.kill();
            let done = Meta { state: State::Success, result: Value::from(3), ..started.clone() };
            let nobody = Properties::default();
            let (stored, ()) = tokio::join!(results.store(&done, &nobody), redis.start_again());
            stored.unwrap();
        });

        assert_eq!(waited.unwrap().result, json!(3));
        shutdown.stop();
        assert!(shutdown.drained(LONG).await);
    });
}

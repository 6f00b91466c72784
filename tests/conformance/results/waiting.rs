//! Waiting for a task: told at once, never too late, and with the right end.

use std::time::Duration;

use postrider_core::broker::message::Properties;
use postrider_core::celery::Exception;
use postrider_core::clock::Clock;
use postrider_core::results::{Meta, WaitError};
use serde_json::json;

use super::{LONG, on_both};
use crate::rig::at_once;

/// For what must not come.
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_value_is_had_by_who_waited_and_by_who_comes_later() {
    on_both(async |store| {
        let result = store.results.of(store.id("a"));

        let (early, ()) = tokio::join!(result.get::<u32>(LONG), async {
            store.store(&Meta::started(store.id("a"), 1, "w1@host")).await;
            store.store(&store.success("a", json!(3))).await;
        });

        assert_eq!(early.unwrap(), 3);
        assert_eq!(result.get::<u32>(LONG).await.unwrap(), 3);
        assert!(result.successful().await.unwrap());
    });
}

#[test]
fn a_hundred_who_wait_for_ten_tasks_are_all_told() {
    on_both(async |store| {
        let waiting = at_once(101, |index| {
            let (results, name) = (store.results.clone(), format!("{}", index % 10));
            let (id, all) =
                (store.id(&name), (0..10).map(|task| store.id(&task.to_string())).collect::<Vec<_>>());
            async move {
                if index < 100 {
                    return results.of(id).get::<usize>(LONG).await.unwrap();
                }
                for (task, id) in all.into_iter().enumerate() {
                    let meta = Meta::success(id, json!(task), Clock::System.now());
                    results.store(&meta, &Properties::default()).await.unwrap();
                }
                0
            }
        });

        let mut values = waiting.await;

        values.sort_unstable();
        values.remove(0);
        let expected: Vec<usize> = (0..10).flat_map(|task| [task; 10]).collect();
        assert_eq!(values, expected);
    });
}

#[test]
fn a_bad_end_is_an_error_that_carries_the_exception() {
    on_both(async |store| {
        let revoked = Meta::revoked(store.id("revoked"), "expired", Clock::System.now());
        store.store(&store.failure("failed")).await;
        store.store(&revoked).await;

        let failed = store.results.of(store.id("failed")).get::<u32>(LONG).await;
        let revoked = store.results.of(store.id("revoked")).get::<u32>(LONG).await;

        let Err(WaitError::Failed(exception)) = failed else { panic!("{failed:?}") };
        assert_eq!(*exception, Exception::builtin("ValueError", "boom").raised_in("task `boom`"));
        let Err(WaitError::Revoked(exception)) = revoked else { panic!("{revoked:?}") };
        assert_eq!(exception.repr(), "TaskRevokedError('expired')");
    });
}

#[test]
fn a_value_of_another_type_is_an_error_that_does_not_quote_it() {
    on_both(async |store| {
        store.store(&store.success("a", json!("472915"))).await;

        let value = store.results.of(store.id("a")).get::<u32>(LONG).await;

        let Err(error @ WaitError::Value(_)) = value else { panic!("{value:?}") };
        assert!(!error.to_string().contains("472915"), "{error}");
    });
}

#[test]
fn patience_ends_while_a_task_runs_or_is_to_be_tried_again() {
    on_both(async |store| {
        store.store(&Meta::started(store.id("a"), 1, "w1@host")).await;
        let result = store.results.of(store.id("a"));

        let (value, ()) = tokio::join!(result.get::<u32>(SHORT), async {
            store.store(&Meta::retry(store.id("a"), None)).await;
        });

        assert!(matches!(value, Err(WaitError::Timeout(SHORT))), "{value:?}");
    });
}

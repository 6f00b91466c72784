//! What is kept of a task, and what may be written over it.

use postrider_core::celery::Exception;
use postrider_core::clock::Clock;
use postrider_core::results::{Extended, Meta, ResultTree, State};
use serde_json::json;

use super::{Store, on_both};

#[test]
fn nothing_is_known_of_a_task_that_nobody_stored() {
    on_both(async |store| {
        let result = store.results.of(store.id("a"));

        assert_eq!(store.results.get(&store.id("a")).await.unwrap(), None);
        assert_eq!(result.state().await.unwrap(), State::Pending);
        assert!(!result.ready().await.unwrap() && result.children().await.unwrap().is_empty());
    });
}

#[test]
fn every_field_comes_back_as_it_was_stored() {
    on_both(async |store| {
        let call = Extended {
            name: "add".into(),
            args: json!([1, "zwei", null]),
            kwargs: json!({"y": {"z": [true]}}),
            worker: "w1@host".into(),
            retries: 3,
            queue: "sms".into(),
            ..Extended::default()
        };
        let chain = ResultTree::task("c").after(ResultTree::task("b"));
        let mut meta = store.success("a", json!({"中": [1.5, -1, "\u{1f600}"]})).with_children(vec![chain]);
        meta = meta.with_extended(Some(call));
        (meta.group_id, meta.parent_id) = (Some("g".into()), Some("p".into()));

        store.store(&meta).await;

        assert_eq!(store.results.get(&meta.id).await.unwrap(), Some(meta.clone()));
        let children = store.results.of(meta.id).children().await.unwrap();
        assert_eq!(children[0].id(), "c");
        assert_eq!(children[0].parent().unwrap().id(), "b");
    });
}

#[test]
fn a_success_is_never_written_over() {
    on_both(async |store| {
        let success = store.success("a", json!(3));
        store.store(&success).await;

        store.store(&Meta::started(store.id("a"), 1, "w1@host")).await;
        store.store(&store.failure("a")).await;
        store.store(&store.success("a", json!(4))).await;

        assert_eq!(store.results.get(&success.id).await.unwrap(), Some(success));
    });
}

#[test]
fn every_other_state_gives_way_to_the_next() {
    on_both(async |store| {
        let now = Clock::System.now();
        let id = || store.id("a");
        let retry = Meta::retry(id(), Some(&Exception::builtin("ValueError", "temporary")));
        let states = [
            Meta::started(id(), 1, "w1@host"),
            retry,
            store.failure("a"),
            Meta::revoked(id(), "expired", now),
            Meta::custom(id(), "PROGRESS", json!({"done": 7})),
            store.success("a", json!(null)),
        ];
        for meta in states {
            store.store(&meta).await;

            assert_eq!(store.results.get(&id()).await.unwrap(), Some(meta));
        }
    });
}

#[test]
fn a_revoke_is_kept_only_where_no_worker_has_begun_the_task() {
    on_both(async |store| {
        let now = Clock::System.now();
        let begun = [
            Meta::started(store.id("started"), 1, "w1@host"),
            Meta::custom(store.id("custom"), "PROGRESS", json!({"done": 7})),
            store.success("success", json!(3)),
            store.failure("failure"),
            Meta::revoked(store.id("revoked"), "terminated", now),
        ];
        for meta in begun {
            store.store(&meta).await;
            let revoked = Meta::revoked(meta.id.clone(), "revoked", now);

            assert!(!store.results.store_if_unstarted(&revoked).await.unwrap(), "{}", meta.state);
            assert_eq!(store.results.get(&meta.id).await.unwrap(), Some(meta));
        }

        store.store(&Meta::retry(store.id("retry"), None)).await;
        for name in ["retry", "unknown"] {
            let revoked = Meta { children: None, ..Meta::revoked(store.id(name), "revoked", now) };

            assert!(store.results.store_if_unstarted(&revoked).await.unwrap(), "{name}");
            assert_eq!(store.results.get(&revoked.id).await.unwrap(), Some(revoked));
        }
    });
}

#[test]
fn a_task_that_was_forgotten_is_one_that_nobody_stored() {
    on_both(async |store: &Store| {
        store.store(&store.success("a", json!(3))).await;
        let result = store.results.of(store.id("a"));

        result.forget().await.unwrap();

        assert_eq!(result.meta().await.unwrap(), None);
        store.store(&store.failure("a")).await;
        assert!(result.failed().await.unwrap());
    });
}

//! Chords: the last member gets the values, once.

use postrider_core::celery::Exception;
use postrider_core::results::{ChordPart, Joined, ResultError, ResultTree, Results, State};
use serde_json::{Value, json};

use super::{Store, on_both};
use crate::rig::at_once;

/// The member at that place, whose value is ten times the place.
pub(super) fn part(store: &Store, group: &str, place: u32) -> ChordPart {
    ChordPart {
        group_id: store.id(group),
        group_index: Some(place),
        task_id: store.id(&format!("{group}-{place}")),
        state: State::Success,
        result: json!(place * 10),
    }
}

async fn record(store: &Store, part: &ChordPart) -> Joined {
    store.results.chord_part(part).await.unwrap()
}

fn values(joined: &Joined) -> Vec<Value> {
    match joined {
        Joined::Ready { values, .. } => values.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_member_gets_the_values_in_the_headers_order() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 12).await.unwrap();
        for place in [11, 3, 0, 7, 1, 10, 4, 9, 2, 8, 5] {
            assert_eq!(record(store, &part(store, "g", place)).await, Joined::Waiting);
        }

        let joined = record(store, &part(store, "g", 6)).await;

        assert_eq!(values(&joined), (0..12).map(|place| json!(place * 10)).collect::<Vec<_>>());
    });
}

#[test]
fn a_member_that_comes_twice_counts_once_and_its_first_result_stays() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 2).await.unwrap();
        let again = ChordPart { result: json!("again"), ..part(store, "g", 0) };
        assert_eq!(record(store, &part(store, "g", 0)).await, Joined::Waiting);
        assert_eq!(record(store, &again).await, Joined::Waiting);

        let joined = record(store, &part(store, "g", 1)).await;

        assert_eq!(values(&joined), [json!(0), json!(10)]);
    });
}

#[test]
fn of_a_hundred_members_at_once_one_completes_the_chord() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 100).await.unwrap();

        let joined = at_once(100, |place| {
            let (results, part) = (store.results.clone(), part(store, "g", u32::try_from(place).unwrap()));
            async move { results.chord_part(&part).await.unwrap() }
        });

        let ready: Vec<Joined> =
            joined.await.into_iter().filter(|joined| *joined != Joined::Waiting).collect();
        assert_eq!(ready.len(), 1);
        assert_eq!(values(&ready[0]).len(), 100);
    });
}

#[test]
fn a_size_that_is_told_late_is_seen_by_the_next_member() {
    on_both(async |store| {
        assert_eq!(record(store, &part(store, "g", 0)).await, Joined::Waiting);
        store.results.set_chord_size(&store.id("g"), 2).await.unwrap();

        assert_eq!(values(&record(store, &part(store, "g", 1)).await).len(), 2);
    });
}

#[test]
fn a_chord_waits_for_the_members_that_are_added() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 1).await.unwrap();
        store.results.add_to_chord(&store.id("g")).await.unwrap();
        let without_a_place =
            ChordPart { group_index: None, task_id: store.id("added"), ..part(store, "g", 7) };
        assert_eq!(record(store, &without_a_place).await, Joined::Waiting);

        let joined = record(store, &part(store, "g", 0)).await;

        assert_eq!(values(&joined), [json!(0), json!(70)]);
    });
}

#[test]
fn the_claim_keeps_others_out_and_comes_back_to_the_member_whose_worker_died() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 2).await.unwrap();
        record(store, &part(store, "g", 0)).await;
        let first = record(store, &part(store, "g", 1)).await;

        assert_eq!(record(store, &part(store, "g", 0)).await, Joined::Waiting);
        assert_eq!(record(store, &part(store, "g", 1)).await, first);

        let Joined::Ready { claim, .. } = first else { panic!("{first:?}") };
        assert!(store.results.chord_done(&claim).await.unwrap());
        for place in [0, 1] {
            assert_eq!(record(store, &part(store, "g", place)).await, Joined::AlreadyDone);
        }
        assert!(!store.results.chord_done(&claim).await.unwrap());
    });
}

#[test]
fn a_claim_that_was_given_back_goes_to_the_next_member() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 2).await.unwrap();
        record(store, &part(store, "g", 0)).await;
        let Joined::Ready { claim, .. } = record(store, &part(store, "g", 1)).await else { panic!() };

        assert!(store.results.chord_release(&claim).await.unwrap());

        let joined = record(store, &part(store, "g", 0)).await;
        assert_eq!(values(&joined), [json!(0), json!(10)]);
        assert!(!store.results.chord_release(&claim).await.unwrap());
        assert!(!store.results.chord_failed(&claim).await.unwrap());
    });
}

#[test]
fn a_member_that_failed_fails_the_body_once() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 2).await.unwrap();
        let boom = Exception::builtin("ValueError", "boom").to_value();
        let failed = ChordPart { state: State::Failure, result: boom, ..part(store, "g", 0) };
        assert_eq!(record(store, &failed).await, Joined::Waiting);

        let joined = record(store, &part(store, "g", 1)).await;

        let Joined::Failed { exception, claim, .. } = joined else { panic!("{joined:?}") };
        let text = format!("Dependency {} raised ValueError('boom')", failed.task_id);
        assert_eq!(exception, Exception::chord_error(text));
        assert!(store.results.chord_failed(&claim).await.unwrap());
        assert_eq!(record(store, &part(store, "g", 1)).await, Joined::Waiting);
        assert_eq!(record(store, &failed).await, Joined::Waiting);
    });
}

#[test]
fn a_chord_that_is_applied_again_is_a_new_one() {
    on_both(async |store| {
        store.results.set_chord_size(&store.id("g"), 1).await.unwrap();
        let Joined::Ready { claim, .. } = record(store, &part(store, "g", 0)).await else { panic!() };
        store.results.chord_done(&claim).await.unwrap();

        store.results.set_chord_size(&store.id("g"), 1).await.unwrap();

        assert_eq!(values(&record(store, &part(store, "g", 0)).await), [json!(0)]);
    });
}

#[test]
fn groups_inside_the_header_come_as_lists_of_their_own() {
    on_both(async |store| {
        let task = |place: u32| ResultTree::task(part(store, "g", place).task_id);
        let inner = ResultTree::group(store.id("inner"), vec![task(1), task(2)]);
        let header = ResultTree::group(store.id("g"), vec![task(0), inner, task(3)]);
        store.results.save_group(&header).await.unwrap();
        store.results.set_chord_size(&store.id("g"), 4).await.unwrap();
        let mut joined = Joined::Waiting;
        for place in [3, 2, 1, 0] {
            store.store(&store.success(&format!("g-{place}"), json!(place * 10))).await;
            joined = record(store, &part(store, "g", place)).await;
        }

        assert_eq!(values(&joined), [json!(0), json!([10, 20]), json!(30)]);
    });
}

#[test]
fn a_failure_inside_a_nested_header_fails_the_body_too() {
    on_both(async |store| {
        let inner = ResultTree::group(store.id("inner"), vec![ResultTree::task(store.id("g-0"))]);
        store.results.save_group(&ResultTree::group(store.id("g"), vec![inner])).await.unwrap();
        store.results.set_chord_size(&store.id("g"), 1).await.unwrap();
        store.store(&store.failure("g-0")).await;

        let joined = record(store, &ChordPart { state: State::Failure, ..part(store, "g", 0) }).await;

        let Joined::Failed { exception, .. } = joined else { panic!("{joined:?}") };
        assert_eq!(exception, Exception::chord_error("Join error: ValueError('boom')"));
    });
}

#[tokio::test]
async fn without_a_store_that_all_members_see_there_are_no_chords() {
    let error = Results::None.set_chord_size("g", 1).await.unwrap_err();

    assert_eq!(error, ResultError::NoChords);
    assert!(!Results::None.supports_chords());
}

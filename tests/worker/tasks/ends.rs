//! How a task ends, and what becomes of its message and its result.

use std::time::Duration;

use postrider_core::{
    canvas::chain,
    celery::Call,
    results::{ResultOptions, ResultTree, State},
    task::{Signature, Task as _},
};
use postrider_tests::servers::eventually;
use postrider_worker::Options;
use serde_json::json;

use super::rig::{QUEUE, named};
use super::sample::{Add, AskAgain, Count, End, Flaky, Gate, Later, Progress, Raise, Stages};
use super::{Rig, SOON};

#[tokio::test]
async fn a_value_comes_back_and_a_failure_with_its_exception() {
    let rig = Rig::start();

    let sum = rig.end(Add { x: 1, y: 2 }).await;
    let failed = rig.end(Raise { text: "bad code".into() }).await;

    assert_eq!((sum.state, sum.result), (State::Success, json!(3)));
    let exception = failed.exception().unwrap();
    assert_eq!(exception.repr(), "ValueError('bad code')");
    let traceback = exception.traceback.unwrap();
    assert!(traceback.contains("Task \"raise\", on w1@test"), "{traceback}");
    assert_eq!(rig.take_dead_letter().unwrap().task, "raise");
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_worker_that_keeps_no_dead_letters_acknowledges_what_fails_and_keeps_what_cannot_be_read() {
    let rig = Rig::with(|options| Options { dead_letters: false, ..options });

    rig.end(Raise { text: "bad".into() }).await;
    let unfit = rig.end(named("add").arg("one").arg(2)).await;

    assert_eq!(unfit.exception().unwrap().kind, "TypeError");
    let letter = rig.take_dead_letter().unwrap();
    assert_eq!((letter.task.as_str(), letter.reason.as_str()), ("add", "undecodable"));
    assert!(rig.take_dead_letter().is_none());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn an_error_of_a_class_that_is_retried_passes_and_the_third_try_succeeds() {
    let rig = Rig::start();

    let value = rig.call(Flaky {}).await.get::<u32>(SOON).await.unwrap();

    assert_eq!(value, 2);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_that_asks_again_too_often_fails_with_celerys_exception() {
    let rig = Rig::start();

    let end = rig.end(AskAgain { max_retries: 4 }).await;

    assert_eq!(end.exception().unwrap().kind, "MaxRetriesExceededError");
    assert_eq!(rig.runs(), 5);
    assert_eq!(rig.take_dead_letter().unwrap().reason, "exhausted:retry");
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_message_that_is_rejected_is_kept_or_goes_back_and_one_that_is_ignored_is_gone() {
    let rig = Rig::start();
    let end = |how: &str| End { how: how.into() };

    let again = rig.end(end("once")).await;
    assert_eq!((again.state, rig.runs()), (State::Success, 2));
    let rejected = rig.end(end("reject")).await;
    assert_eq!(rejected.exception().unwrap().kind, "Reject");
    assert_eq!(rig.take_dead_letter().unwrap().reason, "unfit");
    let panicked = rig.end(end("panic")).await;
    assert_eq!(panicked.state, State::Failure);
    assert_eq!(rig.take_dead_letter().unwrap().reason, "panic");
    let unknown = rig.end(end("unknown")).await;
    assert_eq!((unknown.state, rig.take_dead_letter()), (State::Failure, None));

    let ignored = rig.call(end("ignore")).await;
    rig.end(Add { x: 0, y: 0 }).await;
    let runs = rig.runs();
    assert!(rig_settled(&rig).await);
    assert_eq!((ignored.state().await.unwrap(), rig.runs()), (State::Started, runs.max(6)));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn what_the_broker_gave_up_is_kept_and_its_caller_told() {
    let rig = Rig::start();
    let death = json!([{"queue": "t", "reason": "delivery_limit"}]);
    let given_up = named("add").option("queue", "t.returned").option("headers", json!({"x-death": death}));

    let end = rig.end(given_up.arg(1).arg(2)).await;

    assert_eq!((end.state.clone(), end.exception().unwrap().kind), (State::Failure, "TaskError".into()));
    let kept = eventually(SOON, async || {
        rig.take_dead_letter().is_some_and(|letter| letter.reason == "broker:delivery_limit")
    });
    assert!(kept.await);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn what_was_to_follow_a_task_that_the_broker_gave_up_fails_with_it() {
    let rig = Rig::start();
    let death = json!([{"queue": "t", "reason": "delivery_limit"}]);
    let given_up = named("add").option("queue", "t.returned").option("headers", json!({"x-death": death}));

    let end = rig.end(chain([given_up.arg(1).arg(2), named("add").arg(3)])).await;

    assert_eq!(end.state, State::Failure);
    assert!(eventually(SOON, async || rig.take_dead_letter().is_some()).await);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_that_had_to_wait_for_its_time_and_goes_back_is_run_again() {
    let rig = Rig::start();
    // To an exchange, from where only the worker can send it down the ladder.
    let timed = named("end").kwarg("how", "once").option("countdown", 2);

    let end = rig.end(timed.option("exchange", "shop").option("routing_key", QUEUE)).await;

    assert_eq!((end.state, rig.runs()), (State::Success, 2));
    assert!(rig.stop().await);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_link_no_queue_takes_has_failed_and_is_not_run_again() {
    let rig = Rig::start();
    let link = json!([{"task": "add", "args": [1, 2], "options": {"queue": "nowhere"}}]);

    let call = rig.call(named("end").kwarg("how", "well").option("link", link)).await;
    let end = call.wait(Duration::from_mins(1)).await.expect("a queue may be made for half a minute");

    assert_eq!((end.state, rig.runs()), (State::Failure, 1));
    assert_eq!(rig.take_dead_letter().unwrap().reason, "unpublishable");
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_state_on_the_way_tells_of_the_call_as_the_last_one_does() {
    let rig = Rig::keeping(ResultOptions { extended: true, track_started: true, ..ResultOptions::default() });

    let call = rig.call(Progress { percent: 40 }).await;
    rig.services.gate.begun(1).await;
    let on_the_way = call.meta().await.unwrap().unwrap();
    rig.services.gate.release(1);
    let end = call.wait(SOON).await.unwrap();

    assert_eq!((on_the_way.state.as_str(), on_the_way.result), ("PROGRESS", json!(40)));
    assert_eq!(on_the_way.extended.as_ref().unwrap().name, "progress");
    assert_eq!(on_the_way.extended, end.extended);
    let gate = rig.call(Gate {}).await;
    rig.services.gate.begun(1).await;
    assert_eq!(gate.meta().await.unwrap().unwrap().extended.unwrap().name, "gate");
    rig.services.gate.release(1);
    gate.wait(SOON).await.unwrap();
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_blocking_task_tells_how_far_it_has_come() {
    let rig = Rig::start();

    let call = rig.call(Stages { percent: 60 }).await;
    rig.services.gate.begun(1).await;
    let on_the_way = call.meta().await.unwrap().unwrap();
    rig.services.gate.release(1);

    assert_eq!((on_the_way.state.as_str(), on_the_way.result), ("PROGRESS", json!(60)));
    assert_eq!(call.wait(SOON).await.unwrap().state, State::Success);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_retry_without_a_reason_names_no_exception_and_the_next_try_as_its_child() {
    // Without STARTED, which the second try would store over it.
    let rig = Rig::keeping(ResultOptions::default());

    let call = rig.call(Later {}).await;
    let mut retry = None;
    let seen = eventually(SOON, async || {
        retry = call.meta().await.unwrap();
        retry.is_some()
    });

    assert!(seen.await);
    let retry = retry.unwrap();
    assert_eq!((retry.state, retry.result), (State::Retry, json!(null)));
    assert_eq!(retry.children, Some(vec![ResultTree::task(call.id())]));
    assert!(retry.traceback.unwrap().ends_with("celery.exceptions.Retry: Retry in 0s\n"));
    rig.services.gate.release(1);
    assert_eq!(call.wait(SOON).await.unwrap().state, State::Success);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_kept_and_its_caller_told() {
    let rig = Rig::start();

    let end = rig.end(named("no.such.task")).await;

    assert_eq!(end.exception().unwrap().kind, "NotRegistered");
    assert_eq!(rig.take_dead_letter().unwrap().reason, "unknown_task");
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_that_comes_too_late_is_revoked_and_one_without_a_result_has_none() {
    let rig = Rig::start();
    let past = "2020-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();

    let late = rig.end(Signature::new(Add { x: 1, y: 2 }).expires(past)).await;
    let counted = rig.call(Count {}).await;
    assert!(rig_settled(&rig).await);

    assert_eq!(late.exception().unwrap().args, [json!("expired")]);
    assert_eq!(late.state, State::Revoked);
    assert_eq!((rig.runs(), counted.state().await.unwrap()), (1, State::Pending));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn an_early_ack_is_before_the_run_and_its_start_is_known() {
    let rig = Rig::start();

    let gate = rig.call(Gate {}).await;
    rig.services.gate.begun(1).await;

    assert!(rig.memory.is_drained(&[]), "it is acknowledged");
    assert_eq!(gate.state().await.unwrap(), State::Started);
    rig.services.gate.release(1);
    gate.get::<()>(SOON).await.unwrap();
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_is_called_by_name_with_arguments_of_either_kind() {
    let rig = Rig::start();

    let mixed: i64 = rig.call(named(Add::NAME).arg(1).kwarg("y", 2)).await.get(SOON).await.unwrap();
    let value: Call =
        serde_json::from_value(json!({"task": "add", "args": [3, 4], "options": {"queue": "t"}})).unwrap();
    let as_value: i64 = rig.call(value).await.get(SOON).await.unwrap();

    assert_eq!((mixed, as_value), (3, 7));
    assert!(rig.stop().await);
}

/// Waits until nothing lies in the queue and nothing is held.
async fn rig_settled(rig: &Rig) -> bool {
    let settled = async {
        while !rig.memory.is_drained(&[]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, settled).await.is_ok()
}

//! Time limits, of tasks that wait and of tasks that block.

use std::{sync::atomic::Ordering, time::Duration};

use postrider_core::{results::State, task::Signature};
use postrider_worker::Options;
use serde_json::json;

use super::sample::{Add, Block, Hold, Stages};
use super::{Rig, SOON};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_task_that_listens_for_its_soft_limit_goes_on_and_one_that_does_not_is_ended() {
    let rig = Rig::start();

    let listens = rig.end(Hold { listens: true }).await;
    let deaf = rig.end(Hold { listens: false }).await;

    assert_eq!((listens.state, listens.result), (State::Success, json!("tidied up")));
    let exception = deaf.exception().unwrap();
    assert_eq!(
        (exception.kind.as_str(), exception.module.as_str()),
        ("SoftTimeLimitExceeded", "billiard.exceptions")
    );
    assert_eq!(rig.take_dead_letter().unwrap().reason, "time_limit");
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_call_brings_its_own_hard_limit() {
    let rig = Rig::start();

    let limited = Signature::new(Hold { listens: false }).time_limit(SHORT).soft_time_limit(SOON);
    let end = rig.end(limited).await;

    let exception = end.exception().unwrap();
    assert_eq!((exception.kind.as_str(), exception.args), ("TimeLimitExceeded", vec![json!(0.1)]));
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_blocking_task_hears_of_its_soft_limit() {
    let rig = Rig::start();

    let end = rig.end(Signature::new(Block { stubborn: false }).soft_time_limit(SHORT)).await;

    assert_eq!((end.state, end.result), (State::Success, json!("returned")));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_thread_that_was_given_up_changes_nothing_of_what_its_task_has_come_to() {
    let rig = Rig::start();

    let call = rig.call(Signature::new(Stages { percent: 60 }).time_limit(SHORT)).await;
    rig.services.gate.begun(1).await;
    assert_eq!(call.wait(SOON).await.unwrap().state, State::Failure);
    rig.services.gate.release(1);
    rig.services.gate.begun(1).await;

    assert_eq!(call.state().await.unwrap(), State::Failure);
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_blocking_task_that_does_not_end_has_failed_and_a_worker_with_too_many_of_them_ends() {
    let rig = Rig::with(|options| Options { most_stuck_threads: 2, ..options });
    let stubborn = || Signature::new(Block { stubborn: true }).soft_time_limit(SHORT / 2).time_limit(SHORT);

    let first = rig.end(stubborn()).await;
    let others_go_on = rig.end(Add { x: 1, y: 2 }).await;
    let second = rig.end(stubborn()).await;

    assert_eq!(first.exception().unwrap().kind, "TimeLimitExceeded");
    assert_eq!(others_go_on.result, json!(3));
    assert_eq!(second.exception().unwrap().kind, "TimeLimitExceeded");
    // So that the threads end with the test.
    rig.services.runs.fetch_add(1, Ordering::SeqCst);
    while rig.take_dead_letter().is_none() || rig.take_dead_letter().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!rig.ended().await, "so that whoever started it starts it anew");
}

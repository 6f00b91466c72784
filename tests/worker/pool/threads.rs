//! Blocking tasks that wait for a thread: what may happen to them meanwhile, and that there can be more threads later.

use std::time::Duration;

use postrider_core::{results::State, task::Signature};
use postrider_tests::servers::eventually;
use postrider_worker::{Autoscale, IntakeOptions, Options, PoolKind};
use serde_json::json;

use super::{Block, QUEUE, Rig, SOON};

impl Rig {
    async fn waits_for_a_thread(&self, id: &str) {
        assert!(eventually(SOON, async || self.ask("reserved", json!({})).await.contains(id)).await);
    }

    /// What comes after one that was not run is the next that begins, and the only one.
    async fn third_runs_alone(&self) {
        let third = self.call(Block {}).await;
        self.gate.begun(1).await;
        third.wait(SOON).await.expect("it ends soon");
        assert_eq!(self.gate.begun_beside(), 0, "the one before it was run too");
    }
}

#[tokio::test]
async fn what_is_revoked_while_it_waits_for_a_thread_is_not_run() {
    let rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.gate.begun(1).await;
    let second = rig.call(Block {}).await;
    rig.waits_for_a_thread(second.id()).await;

    rig.ask("revoke", json!({"task_id": second.id(), "terminate": false})).await;
    rig.gate.release(2);

    let end = second.wait(SOON).await.expect("it ends soon");
    assert_eq!(end.state, State::Revoked);
    rig.third_runs_alone().await;
    assert_eq!(second.wait(SOON).await.unwrap().state, State::Revoked);
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn what_runs_out_while_it_waits_for_a_thread_is_not_run() {
    let rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.gate.begun(1).await;
    let second = rig.call(Signature::new(Block {}).expires(Duration::from_mins(1))).await;
    rig.waits_for_a_thread(second.id()).await;

    rig.clock.advance(Duration::from_mins(2));
    rig.gate.release(2);

    assert_eq!(second.wait(SOON).await.expect("it ends soon").state, State::Revoked);
    rig.third_runs_alone().await;
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn a_stop_gives_back_what_waits_for_a_thread() {
    let mut rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.gate.begun(1).await;
    for _ in 0..5 {
        let waiting = rig.call(Block {}).await;
        rig.waits_for_a_thread(waiting.id()).await;
    }

    rig.shutdown.stop();
    assert!(eventually(SOON, async || rig.broker.depth(QUEUE).await == Some(5)).await);
    rig.gate.release(6);

    assert!(rig.ended().await);
    assert_eq!(rig.gate.begun_beside(), 0, "more began at the stop");
    assert_eq!(rig.broker.depth(QUEUE).await, Some(5));
}

#[tokio::test]
async fn a_pool_of_threads_that_grows_has_more_threads() {
    let rig = Rig::start(|options| Options { pool: PoolKind::Threads, concurrency: 1, ..options });
    rig.call(Block {}).await;
    rig.call(Block {}).await;
    rig.gate.begun(1).await;

    rig.ask("pool_grow", json!({"n": 1})).await;

    rig.gate.begun(1).await;
    rig.gate.release(2);
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn a_pool_of_threads_that_follows_its_load_has_more_threads_when_its_maximum_is_raised() {
    let intake = IntakeOptions { autoscale: Some(Autoscale::new(1, 1)), ..IntakeOptions::default() };
    let rig = Rig::start(|options| Options { pool: PoolKind::Threads, concurrency: 1, intake, ..options });
    rig.call(Block {}).await;
    rig.call(Block {}).await;
    rig.gate.begun(1).await;

    rig.ask("autoscale", json!({"max": 2, "min": 2})).await;

    rig.gate.begun(1).await;
    rig.gate.release(2);
    assert!(rig.stopped().await);
}

//! A pool that follows its load, and tasks that may begin only so often.

use std::time::{Duration, Instant};

use postrider_core::clock::Clock;
use postrider_worker::{Autoscale, IntakeOptions, Options};

use super::{Hold, Rig, Seldom};

#[tokio::test]
async fn a_pool_that_follows_its_load_grows_to_its_maximum_and_no_further() {
    let intake = IntakeOptions { autoscale: Some(Autoscale::new(3, 1)), ..IntakeOptions::default() };
    let rig = Rig::start(|options| Options { intake, ..options });

    for _ in 0..5 {
        rig.call(Hold {}).await;
    }

    rig.gate.begun(3).await;
    assert_eq!(rig.gate.begun_beside(), 0, "more than the maximum run");
    rig.gate.release(5);
    rig.gate.begun(2).await;
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn tasks_with_a_rate_limit_begin_no_faster_and_hold_up_no_others() {
    let rig = Rig::start(|options| Options { concurrency: 2, clock: Clock::System, ..options });
    let begun = Instant::now();
    rig.gate.release(1);

    for _ in 0..7 {
        rig.call(Seldom {}).await;
    }
    rig.call(Hold {}).await;

    rig.gate.begun(2).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "the other task waited for those with a limit");
    rig.gate.begun(6).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "seven began in {:?}", begun.elapsed());
    assert!(rig.stopped().await);
}

//! Random operations at random instants, on both adapters, step by step.
//!
//! The schedules are the same in each run. `PROPTEST_CASES=20000 PROPTEST_RNG_SEED=7` plays more and other ones.

mod captchas;
mod codes;
mod send_records;
mod throttle;

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};

use postrider_tests::servers::shared_redis_url;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::rig::{RUNTIME, Rig, fresh_prefix, now};
use crate::throttle::{DAY, MINUTE, SECOND};

/// Plays schedules on a memory rig and a Redis rig, and shrinks one on which they differ. Long schedules are played
/// less often: one in so many.
fn play<S: Debug>(
    one_in: u32,
    schedules: impl Strategy<Value = S>,
    case: impl AsyncFn(&[Rig; 2], S) -> Result<(), TestCaseError>,
) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    config.cases = config.cases.div_ceil(one_in);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(2);
    }
    let (url, prefix, count) = (shared_redis_url(), fresh_prefix(), AtomicU32::new(0));
    let played = TestRunner::new(config).run(&schedules, |schedule| {
        let (clock, number) = (now(), count.fetch_add(1, Ordering::Relaxed));
        // One call at a time needs no more than one of the thousands of connections that a run opens.
        let redis = Rig::redis_over(1, &url, &format!("{prefix}-{number}"), clock.clone());
        RUNTIME.block_on(case(&[Rig::memory(clock), redis], schedule))
    });
    RUNTIME.block_on(Rig::redis(&url, &prefix, now()).remove_keys());
    if let Err(error) = played {
        panic!("{error}");
    }
}

/// Lets time pass.
#[derive(Debug, Clone)]
enum Pass {
    By(i64),
    /// To an instant at which something changes, or a millisecond beside it.
    ToEdge(usize, i64),
}

/// The instants at which something changes.
#[derive(Debug, Default)]
struct Edges(Vec<i64>);

fn pass() -> impl Strategy<Value = Pass> {
    prop_oneof![
        2 => (1..=2 * SECOND).prop_map(Pass::By),
        2 => (1..=3 * MINUTE).prop_map(Pass::By),
        1 => (1..=DAY + MINUTE).prop_map(Pass::By),
        10 => (0..16_usize, -1..=1_i64).prop_map(|(edge, beside)| Pass::ToEdge(edge, beside)),
    ]
}

/// The last one, the one before it, and so on; around when there are not so many.
fn pick<T>(list: &[T], back: usize) -> &T {
    &list[list.len() - 1 - back % list.len()]
}

impl Edges {
    fn note(&mut self, at: i64) {
        self.0.push(at);
    }

    fn pass(&mut self, rig: &Rig, pass: &Pass) {
        let now = rig.clock.now_ms();
        self.0.retain(|at| *at >= now);
        rig.pass(match pass {
            Pass::By(ms) => *ms,
            Pass::ToEdge(edge, beside) => {
                let ahead: Vec<i64> =
                    self.0.iter().map(|at| at + beside - now).filter(|ms| *ms > 0).collect();
                if ahead.is_empty() { 1 } else { *pick(&ahead, *edge) }
            }
        });
    }
}

//! Random steps on chords, in memory and on Redis: every answer must be the same.

use postrider_core::results::{ChordPart, Claim, Joined, ResultOptions, State};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use serde_json::json;

use super::Store;
use crate::rig::RUNTIME;

#[derive(Debug, Clone)]
enum Step {
    Size(usize),
    Add,
    Part { place: u32, fails: bool },
    Settle(Settle),
}

#[derive(Debug, Clone, Copy)]
enum Settle {
    Done,
    Failed,
    Release,
}

#[test]
fn both_join_a_chord_alike() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(2);
    }
    let played = TestRunner::new(config).run(&vec(step(), 1..40), |steps| {
        RUNTIME.block_on(async {
            let stores = [Store::memory(), Store::redis(ResultOptions::default())];
            let compared = compare(&stores, steps).await;
            for store in stores {
                store.close().await;
            }
            compared
        })
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}

async fn compare(stores: &[Store; 2], steps: Vec<Step>) -> Result<(), TestCaseError> {
    // The ids are those of the first store on both, so that the answers can be compared.
    let group = stores[1].id("g");
    let [memory, redis] = stores.each_ref().map(|store| &store.results);
    let mut claim: Option<Claim> = None;
    for step in steps {
        match step {
            Step::Size(size) => {
                memory.set_chord_size(&group, size).await.unwrap();
                redis.set_chord_size(&group, size).await.unwrap();
            }
            Step::Add => {
                memory.add_to_chord(&group).await.unwrap();
                redis.add_to_chord(&group).await.unwrap();
            }
            Step::Part { place, fails } => {
                let part = ChordPart {
                    group_id: group.clone(),
                    group_index: Some(place),
                    task_id: format!("task-{place}"),
                    state: if fails { State::Failure } else { State::Success },
                    result: json!(place),
                };
                let joined = memory.chord_part(&part).await.unwrap();
                prop_assert_eq!(&joined, &redis.chord_part(&part).await.unwrap());
                if let Joined::Ready { claim: ours, .. } | Joined::Failed { claim: ours, .. } = joined {
                    claim = Some(ours);
                }
            }
            Step::Settle(settle) => {
                let Some(claim) = &claim else { continue };
                let answers = match settle {
                    Settle::Done => [memory.chord_done(claim).await, redis.chord_done(claim).await],
                    Settle::Failed => [memory.chord_failed(claim).await, redis.chord_failed(claim).await],
                    Settle::Release => [memory.chord_release(claim).await, redis.chord_release(claim).await],
                };
                let [one, other] = answers.map(Result::unwrap);
                prop_assert_eq!(one, other);
            }
        }
    }
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    let settle = prop_oneof![
        2 => any::<bool>().prop_map(|_| Settle::Done),
        1 => any::<bool>().prop_map(|_| Settle::Failed),
        2 => any::<bool>().prop_map(|_| Settle::Release),
    ];
    prop_oneof![
        2 => (0..5_usize).prop_map(Step::Size),
        1 => any::<bool>().prop_map(|_| Step::Add),
        12 => (0..5_u32, 0..8_u8).prop_map(|(place, odds)| Step::Part { place, fails: odds == 0 }),
        4 => settle.prop_map(Step::Settle),
    ]
}

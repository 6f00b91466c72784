//! Pictures that are put, looked at and taken, in a store that is often full.

use std::collections::HashMap;

use postrider_core::captchas::{Captchas, Put};
use postrider_core::clock::millis;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof};
use proptest::test_runner::TestCaseError;
use uuid::Uuid;

use super::{Edges, Pass, pass, play};
use crate::captchas::RULES;
use crate::rig::Rig;

#[derive(Debug, Clone)]
enum Step {
    Put(u128),
    Peek(u128),
    Take(u128),
    Pass(Pass),
}

#[test]
fn both_keep_pictures_alike_and_no_more_than_there_is_room_for() {
    play(1, vec(step(), 1..80), compare);
}

async fn compare(rigs: &[Rig; 2], steps: Vec<Step>) -> Result<(), TestCaseError> {
    let [memory, redis] = rigs.each_ref().map(|rig| rig.captchas(RULES));
    // What must be there: each id with its text and its end.
    let (mut edges, mut live) = (Edges::default(), HashMap::<u128, (String, i64)>::new());
    for (index, step) in steps.into_iter().enumerate() {
        let now = rigs[0].clock.now_ms();
        live.retain(|_, (_, end)| *end > now);
        let text_of = |id: u128| live.get(&id).map(|(text, _)| text.clone());
        match step {
            Step::Put(id) => {
                let (uuid, text) = (Uuid::from_u128(id), format!("text {index}"));
                let put = async |captchas: &Captchas| captchas.put(uuid, &text).await.unwrap();
                if both(&memory, &redis, put).await? == Put::Kept {
                    let end = now + millis(RULES.ttl);
                    live.insert(id, (text, end));
                    edges.note(end);
                } else {
                    prop_assert!(!live.contains_key(&id) && live.len() == RULES.max, "{live:?}");
                }
                prop_assert!(live.len() <= RULES.max, "{live:?}");
            }
            Step::Peek(id) => {
                let peek = async |captchas: &Captchas| captchas.peek(Uuid::from_u128(id)).await.unwrap();
                prop_assert_eq!(both(&memory, &redis, peek).await?, text_of(id));
            }
            Step::Take(id) => {
                let take = async |captchas: &Captchas| captchas.take(Uuid::from_u128(id)).await.unwrap();
                prop_assert_eq!(both(&memory, &redis, take).await?, text_of(id));
                live.remove(&id);
            }
            Step::Pass(pass) => edges.pass(&rigs[0], &pass),
        }
    }
    Ok(())
}

/// One step on both; the answer, when it is the same.
async fn both<T: PartialEq + std::fmt::Debug>(
    memory: &Captchas,
    redis: &Captchas,
    step: impl AsyncFn(&Captchas) -> T,
) -> Result<T, TestCaseError> {
    let answer = step(memory).await;
    prop_assert_eq!(&answer, &step(redis).await);
    Ok(answer)
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..6_u128;
    prop_oneof![
        6 => id().prop_map(Step::Put),
        3 => id().prop_map(Step::Peek),
        3 => id().prop_map(Step::Take),
        3 => pass().prop_map(Step::Pass),
    ]
}

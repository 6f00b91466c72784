//! Claims and finishes of tasks that many workers hold at once.

use std::time::Duration;

use postrider_core::clock::{from_millis, millis};
use postrider_core::codes::NewCode;
use postrider_core::verification::DeliveryState;
use postrider_delivery::send_record::{Claim, Claimed, Finish, Note, Turn};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::{Edges, Pass, pass, pick, play};
use crate::codes::new_code;
use crate::rig::Rig;
use crate::throttle::{HOUR, MINUTE, SECOND};

const TASKS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Claim { task: usize, not_after: Option<i64>, window: i64, resend: bool, replays: u32, lease: i64 },
    Finish { turn: usize, finish: Finish, note: Option<DeliveryState> },
    Pass(Pass),
}

/// What is known of a task, kept by hand.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    calls: u32,
    /// A call has begun, and nobody said that it had failed.
    may_be_sent: bool,
}

#[test]
fn both_grant_turns_alike_when_a_call_of_unknown_outcome_is_not_made_again() {
    play(1, schedule(false), async |rigs, steps| compare(rigs, steps, true).await);
}

#[test]
fn both_grant_turns_alike_when_some_calls_of_unknown_outcome_are_made_again() {
    play(1, schedule(true), async |rigs, steps| compare(rigs, steps, false).await);
}

async fn compare(rigs: &[Rig; 2], steps: Vec<Step>, stop: bool) -> Result<(), TestCaseError> {
    let [memory, redis] = rigs.each_ref().map(Rig::records);
    let codes = rigs.each_ref().map(Rig::codes);
    let told: [NewCode; TASKS] = std::array::from_fn(|_| new_code());
    for code in &told {
        codes[0].issue(code).await.unwrap();
        codes[1].issue(code).await.unwrap();
    }
    let (mut edges, mut turns, mut known) = (Edges::default(), Vec::<Turn>::new(), [Known::default(); TASKS]);
    for step in steps {
        let now = rigs[0].clock.now_ms();
        match step {
            Step::Claim { task, not_after, window, resend, replays, lease } => {
                let not_after = not_after.map(|ms| from_millis(now + ms));
                let (window, lease, name) = (duration(window), duration(lease), task.to_string());
                let claim = Claim { task: name, not_after, window, resend, replays, lease };
                let claimed = memory.claim(&claim).await.unwrap();
                prop_assert_eq!(&claimed, &redis.claim(&claim).await.unwrap());
                match claimed {
                    Claimed::Granted(turn) => {
                        let known = &mut known[task];
                        known.calls += 1;
                        prop_assert_eq!(turn.call, known.calls);
                        prop_assert!(
                            !(stop && known.may_be_sent),
                            "called again after a call of unknown outcome"
                        );
                        known.may_be_sent = true;
                        prop_assert!(turn.not_after > from_millis(now), "called after the end");
                        edges.note(turn.not_after.as_millisecond());
                        edges.note(now + millis(lease));
                        turns.push(turn);
                    }
                    Claimed::Held(wait) => edges.note(now + millis(wait)),
                    _ => {}
                }
            }
            Step::Finish { turn, finish, note } if !turns.is_empty() => {
                let turn = pick(&turns, turn);
                let task: usize = turn.task.parse().unwrap();
                let id = &told[task].id;
                let finished = if let Some(state) = note {
                    let [here, there] = codes.each_ref().map(|codes| Note { codes, verification: id, state });
                    let finished = memory.finish_and_note(turn, &finish, &here).await.unwrap();
                    prop_assert_eq!(finished, redis.finish_and_note(turn, &finish, &there).await.unwrap());
                    finished
                } else {
                    let finished = memory.finish(turn, &finish).await.unwrap();
                    prop_assert_eq!(finished, redis.finish(turn, &finish).await.unwrap());
                    finished
                };
                let read = codes[0].get(id, &told[task].app).await.unwrap();
                prop_assert_eq!(&read, &codes[1].get(id, &told[task].app).await.unwrap());
                let read = read.map(|verification| verification.delivery);
                prop_assert!(note.is_none() || read == note || read == Some(DeliveryState::Sent));
                if finished {
                    let failed = matches!(finish, Finish::Waiting | Finish::Dead(_));
                    known[task].may_be_sent = !failed;
                }
            }
            Step::Finish { .. } => {}
            Step::Pass(pass) => edges.pass(&rigs[0], &pass),
        }
    }
    Ok(())
}

/// Of workers that mostly end what they start, or mostly die.
fn schedule(resend: bool) -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![vec(step(resend, 5), 1..80), vec(step(resend, 1), 1..80)]
}

fn step(resend: bool, alive: u32) -> impl Strategy<Value = Step> {
    // The first claim decides the end of a task, and one that ends at once is of little use.
    let not_after = prop_oneof![
        6 => Just(None),
        6 => select(vec![Some(HOUR), Some(5 * MINUTE), Some(MINUTE)]),
        1 => select(vec![Some(1), Some(0), Some(-1), Some(-48 * HOUR)]),
    ];
    let window = prop_oneof![8 => select(vec![5 * MINUTE, HOUR]), 1 => select(vec![1, 0])];
    // Each claim that may not send again ends what was started: only a row of those that may comes to poison.
    let resend =
        if resend { prop_oneof![1 => Just(false), 9 => Just(true)].boxed() } else { Just(false).boxed() };
    let lease = select(vec![MINUTE, SECOND, SECOND, 1, 0]);
    let claim = (0..TASKS, not_after, window, resend, 0..3_u32, lease);
    let finish = prop_oneof![
        1 => Just(Finish::Sent),
        4 => Just(Finish::Waiting),
        1 => Just(Finish::Unknown),
        2 => select(vec!["balance", "poison", ""]).prop_map(|reason| Finish::Dead(reason.into())),
    ];
    let note = prop_oneof![
        1 => Just(None),
        1 => select(vec![DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Unknown]).prop_map(Some),
    ];
    // Mostly the last turn: it alone can do anything.
    let turn = prop_oneof![3 => Just(0), 2 => 0..8_usize];
    prop_oneof![
        6 => claim.prop_map(|(task, not_after, window, resend, replays, lease)| {
            Step::Claim { task, not_after, window, resend, replays, lease }
        }),
        alive => (turn, finish, note).prop_map(|(turn, finish, note)| Step::Finish { turn, finish, note }),
        2 => pass().prop_map(Step::Pass),
        3 => Just(Step::Pass(Pass::By(SECOND))),
    ]
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}

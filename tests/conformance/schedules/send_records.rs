//! Claims, begins and finishes of tasks that many workers hold at once.

use std::time::Duration;

use postrider_core::clock::{from_millis, millis};
use postrider_delivery::send_record::{Begun, CLAIM_LEASE, Claim, Claimed, Finish, Turn};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::{Edges, Pass, pass, pick, play};
use crate::rig::Rig;
use crate::throttle::{HOUR, MINUTE, SECOND};

const TASKS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Claim { task: usize, not_after: Option<i64>, window: i64, resend: bool, replays: u32 },
    Begin { turn: usize, lease: i64 },
    Finish { turn: usize, finish: Finish },
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
    let (mut edges, mut turns, mut known) = (Edges::default(), Vec::<Turn>::new(), [Known::default(); TASKS]);
    for step in steps {
        let now = rigs[0].clock.now_ms();
        match step {
            Step::Claim { task, not_after, window, resend, replays } => {
                let claim = Claim {
                    task: task.to_string(),
                    not_after: not_after.map(|ms| from_millis(now + ms)),
                    window: duration(window),
                    resend,
                    replays,
                };
                let claimed = memory.claim(&claim).await.unwrap();
                prop_assert_eq!(&claimed, &redis.claim(&claim).await.unwrap());
                match claimed {
                    Claimed::Granted(turn) => {
                        prop_assert!(turn.not_after > from_millis(now));
                        edges.note(turn.not_after.as_millisecond());
                        edges.note(now + millis(CLAIM_LEASE));
                        turns.push(turn);
                    }
                    Claimed::Held(wait) => edges.note(now + millis(wait)),
                    _ => {}
                }
            }
            Step::Begin { turn, lease } if !turns.is_empty() => {
                let turn = pick(&turns, turn);
                let begun = memory.begin(turn, duration(lease)).await.unwrap();
                prop_assert_eq!(&begun, &redis.begin(turn, duration(lease)).await.unwrap());
                if let Begun::Yes(call) = begun {
                    let known = known_of(&mut known, turn);
                    known.calls += 1;
                    prop_assert_eq!(call, known.calls);
                    prop_assert!(
                        !(stop && known.may_be_sent),
                        "called again after a call of unknown outcome"
                    );
                    known.may_be_sent = true;
                    edges.note(now + lease);
                }
            }
            Step::Finish { turn, finish } if !turns.is_empty() => {
                let turn = pick(&turns, turn);
                let finished = memory.finish(turn, &finish).await.unwrap();
                prop_assert_eq!(finished, redis.finish(turn, &finish).await.unwrap());
                if finished {
                    let failed = matches!(finish, Finish::Waiting | Finish::Dead(_));
                    known_of(&mut known, turn).may_be_sent = !failed;
                }
            }
            Step::Begin { .. } | Step::Finish { .. } => {}
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
    let resend = if resend { any::<bool>().boxed() } else { Just(false).boxed() };
    let claim = (0..TASKS, not_after, window, resend, 0..3_u32);
    let finish = prop_oneof![
        1 => Just(Finish::Sent),
        4 => Just(Finish::Waiting),
        1 => Just(Finish::Unknown),
        2 => select(vec!["balance", "poison", ""]).prop_map(|reason| Finish::Dead(reason.into())),
    ];
    // Mostly the last turn: it alone can do anything.
    let turn = || prop_oneof![3 => Just(0), 2 => 0..8_usize];
    prop_oneof![
        6 => claim.prop_map(|(task, not_after, window, resend, replays)| {
            Step::Claim { task, not_after, window, resend, replays }
        }),
        alive => (turn(), select(vec![MINUTE, SECOND, 1, 0])).prop_map(|(turn, lease)| Step::Begin { turn, lease }),
        alive => (turn(), finish).prop_map(|(turn, finish)| Step::Finish { turn, finish }),
        2 => pass().prop_map(Step::Pass),
        3 => Just(Step::Pass(Pass::By(millis(CLAIM_LEASE)))),
    ]
}

fn known_of<'a>(known: &'a mut [Known; TASKS], turn: &Turn) -> &'a mut Known {
    &mut known[turn.task.parse::<usize>().unwrap()]
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}

//! Issues, withdrawals, checks, reads, and deliveries written back.

use std::collections::HashMap;

use postrider_core::clock::duration_from_millis;
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::verification::{DeliveryState, VerificationId};
use postrider_tests::stores::Issuer;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::{Edges, Pass, pass, pick, play};
use crate::codes::{TTL, new_code};
use crate::rig::Rig;

const HASHES: &[&str] = &["new-a", "old-a", "new-b", "old-b"];
const APPS: &[&str] = &["shop", "shop", "shop", "bank"];
const MACS: &[&str] = &["k1.1a2b3c", "k1.1a2b3d", "k0.1a2b3c", "k1.1a2b3", "k1.1a2b3c0"];

#[derive(Debug, Clone)]
enum Step {
    Issue { latest: &'static str, app: &'static str, mac: &'static str, ttl: i64, max_checks: u32 },
    Withdraw(usize),
    Check { code: usize, app: &'static str, macs: Vec<&'static str> },
    Get { code: usize, app: &'static str },
    Delivery { code: usize, state: DeliveryState },
    Latest(Vec<&'static str>),
    Pass(Pass),
}

/// What was compared of a code, counted by hand.
#[derive(Debug, Default)]
struct Compared {
    guesses: u32,
    approved: u32,
}

#[test]
fn both_keep_codes_alike_and_compare_no_guess_too_many() {
    play(1, vec(step(), 1..80), compare);
}

#[test]
fn both_keep_codes_alike_when_there_are_few_and_many_guesses() {
    let few = vec(step().prop_filter("few codes", |step| !matches!(step, Step::Issue { .. })), 1..60);
    let first = (select(HASHES), 1..6_u32).prop_map(|(latest, max_checks)| {
        vec![Step::Issue { latest, app: "shop", mac: MACS[0], ttl: TTL, max_checks }]
    });

    play(1, (first, few).prop_map(|(first, few)| [first, few].concat()), compare);
}

async fn compare(rigs: &[Rig; 2], steps: Vec<Step>) -> Result<(), TestCaseError> {
    let [memory, redis] = rigs.each_ref().map(Rig::codes);
    let (mut edges, mut compared) = (Edges::default(), HashMap::<VerificationId, Compared>::new());
    // The first one is never issued.
    let mut codes = vec![new_code()];
    for step in steps {
        match step {
            Step::Issue { latest, app, mac, ttl, max_checks } => {
                let code = new_code();
                let (latest, app, mac) = (latest.into(), app.into(), mac.into());
                let code = NewCode { ttl: duration_from_millis(ttl), latest, app, mac, max_checks, ..code };
                both(&memory, &redis, async |codes| codes.issue(&code).await.unwrap()).await?;
                edges.note(rigs[0].clock.now_ms() + ttl);
                codes.push(code);
            }
            Step::Withdraw(code) => {
                let code = pick(&codes, code);
                both(&memory, &redis, async |codes| codes.withdraw(code).await.unwrap()).await?;
            }
            Step::Check { code, app, macs } => {
                let code = pick(&codes, code);
                let macs: Vec<String> = macs.into_iter().map(String::from).collect();
                let check = async |codes: &Issuer| codes.check(&code.id, app, &macs).await.unwrap();
                let verdict = both(&memory, &redis, check).await?;
                let compared = compared.entry(code.id.clone()).or_default();
                compared.guesses +=
                    u32::from(matches!(verdict, Verdict::Approved(_) | Verdict::Incorrect { .. }));
                compared.approved += u32::from(matches!(verdict, Verdict::Approved(_)));
                prop_assert!(compared.guesses <= code.max_checks && compared.approved <= 1, "{compared:?}");
                let right = macs.contains(&code.mac) && app == code.app;
                prop_assert!(right || !matches!(verdict, Verdict::Approved(_)), "a wrong code passed");
            }
            Step::Get { code, app } => {
                let id = &pick(&codes, code).id;
                both(&memory, &redis, async |codes| codes.get(id, app).await.unwrap()).await?;
            }
            Step::Delivery { code, state } => {
                let id = &pick(&codes, code).id;
                both(&memory, &redis, async |codes| codes.delivery(id, state).await.unwrap()).await?;
            }
            Step::Latest(hashes) => {
                let hashes: Vec<String> = hashes.into_iter().map(String::from).collect();
                both(&memory, &redis, async |codes| codes.latest(&hashes).await.unwrap()).await?;
            }
            Step::Pass(pass) => edges.pass(&rigs[0], &pass),
        }
    }
    Ok(())
}

/// One step on both; the answer, when it is the same.
async fn both<T: PartialEq + std::fmt::Debug>(
    memory: &Issuer,
    redis: &Issuer,
    step: impl AsyncFn(&Issuer) -> T,
) -> Result<T, TestCaseError> {
    let answer = step(memory).await;
    prop_assert_eq!(&answer, &step(redis).await);
    Ok(answer)
}

fn step() -> impl Strategy<Value = Step> {
    let code = || 0..8_usize;
    let issue = (select(HASHES), select(APPS), select(MACS), select(vec![TTL, 1, 0, 60_000]), 1..6_u32);
    let states = [
        DeliveryState::Queued,
        DeliveryState::Sent,
        DeliveryState::Failed,
        DeliveryState::Expired,
        DeliveryState::Unknown,
    ];
    prop_oneof![
        4 => issue.prop_map(|(latest, app, mac, ttl, max_checks)| Step::Issue { latest, app, mac, ttl, max_checks }),
        2 => code().prop_map(Step::Withdraw),
        8 => (code(), select(APPS), vec(select(MACS), 0..3))
            .prop_map(|(code, app, macs)| Step::Check { code, app, macs }),
        2 => (code(), select(APPS)).prop_map(|(code, app)| Step::Get { code, app }),
        2 => (code(), select(states.to_vec())).prop_map(|(code, state)| Step::Delivery { code, state }),
        2 => vec(select(HASHES), 0..3).prop_map(Step::Latest),
        3 => pass().prop_map(Step::Pass),
    ]
}

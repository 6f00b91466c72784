//! Acquires, with a code and without, and releases.

use postrider_core::clock::{from_millis, millis};
use postrider_core::codes::NewCode;
use postrider_core::throttle::{Asker, Decision, Grant, Limits};
use postrider_core::verification::Verification;
use postrider_tests::stores::IssueStores;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::{Edges, Pass, pass, pick, play};
use crate::codes::new_code;
use crate::rig::Rig;
use crate::throttle::{DAY, HOUR, MINUTE, SECOND, limits};

#[derive(Debug, Clone)]
enum Step {
    Acquire { number: u32, ip: Option<u32>, keys: &'static [&'static str], issues: bool },
    Release(usize),
    Pass(Pass),
}

/// What was sent, counted by hand: the hash that was written, and when.
#[derive(Debug, Default)]
struct Sent(Vec<(String, i64)>);

#[test]
fn both_throttles_decide_alike_and_as_counted_by_hand() {
    play(1, (some_limits(), vec(step(), 1..80)), compare);
}

#[test]
fn both_throttles_decide_alike_for_so_long_that_memory_is_swept() {
    let default = limits(&[(MINUTE, 1), (HOUR, 5), (DAY, 10)], &[(HOUR, 20)]);

    play(64, (Just(default), vec(step(), 4000)), compare);
}

async fn compare(rigs: &[Rig; 2], (limits, steps): (Limits, Vec<Step>)) -> Result<(), TestCaseError> {
    let [memory, redis] = rigs.each_ref().map(|rig| rig.stores(&limits));
    let (mut edges, mut grants, mut sent) = (Edges::default(), Vec::<(Asker, Grant)>::new(), Sent::default());
    for step in steps {
        let now = rigs[0].clock.now_ms();
        match step {
            Step::Acquire { number, ip, keys, issues } => {
                let (asker, code) = (asker(number, ip, keys), issues.then(new_code));
                let decision = acquire(&memory, &asker, code.as_ref()).await;
                prop_assert_eq!(&decision, &acquire(&redis, &asker, code.as_ref()).await);
                let granted = matches!(decision, Decision::Granted(_));
                prop_assert_eq!(granted, sent.leaves_room(&limits, &asker, now));
                match decision {
                    Decision::Denied { retry_after, .. } => edges.note(now + millis(retry_after)),
                    Decision::Granted(grant) => {
                        edges.note(grant.next_ms);
                        for window in limits.number.iter().chain(&limits.ip) {
                            edges.note(now + millis(window.window));
                        }
                        sent.add(&asker, now);
                        grants.push((asker, grant));
                    }
                }
            }
            Step::Release(back) if !grants.is_empty() => {
                let (asker, grant) = pick(&grants, back);
                let released = memory.throttle.release(grant).await.unwrap();
                prop_assert_eq!(released, redis.throttle.release(grant).await.unwrap());
                if released {
                    sent.remove(asker, grant.at_ms);
                }
            }
            Step::Release(_) => {}
            Step::Pass(pass) => edges.pass(&rigs[0], &pass),
        }
    }
    Ok(())
}

fn some_limits() -> impl Strategy<Value = Limits> {
    // No short ones: Redis collects a subject's sends by its own clock, after its longest window.
    let lengths = vec![HOUR, HOUR + SECOND, 2 * HOUR, 12 * HOUR, DAY];
    let windows = vec((select(lengths), 1..4_u32), 1..4);
    (windows.clone(), windows).prop_map(|(number, ip)| limits(&number, &ip))
}

fn step() -> impl Strategy<Value = Step> {
    let keys = select(vec![&["old"][..], &["new", "old"], &["new"]]);
    let ip = prop_oneof![1 => Just(None), 3 => (0..2_u32).prop_map(Some)];
    prop_oneof![
        5 => (0..3_u32, ip, keys, any::<bool>())
            .prop_map(|(number, ip, keys, issues)| Step::Acquire { number, ip, keys, issues }),
        2 => (0..8_usize).prop_map(Step::Release),
        3 => pass().prop_map(Step::Pass),
    ]
}

fn asker(number: u32, ip: Option<u32>, keys: &[&str]) -> Asker {
    Asker {
        number: keys.iter().map(|key| format!("{key}-number-{number}")).collect(),
        ip: ip.map(|ip| keys.iter().map(|key| format!("{key}-ip-{ip}")).collect()).unwrap_or_default(),
    }
}

/// The decision; the code is kept when it is granted, and else nothing is.
async fn acquire(stores: &IssueStores, asker: &Asker, code: Option<&NewCode>) -> Decision {
    let Some(code) = code else { return stores.throttle.acquire(asker.clone()).await.unwrap() };
    let newest = async || stores.codes.latest(std::slice::from_ref(&code.latest)).await.unwrap();
    let before = newest().await;
    let decision = stores.issuance.issue(asker.clone(), code).await.unwrap();
    let view = stores.codes.get(&code.id, &code.app).await.unwrap();
    let times = |view: Verification| [view.created_at, view.expires_at, view.resend_at];
    if let Decision::Granted(grant) = &decision {
        let expected = [grant.at_ms, grant.at_ms + millis(code.ttl), grant.next_ms].map(from_millis);
        assert_eq!((view.map(times), newest().await), (Some(expected), Some(code.id.clone())));
    } else {
        assert_eq!((view.map(times), newest().await), (None, before));
    }
    decision
}

impl Sent {
    fn leaves_room(&self, limits: &Limits, asker: &Asker, now: i64) -> bool {
        [(&asker.number, &limits.number), (&asker.ip, &limits.ip)].into_iter().all(|(hashes, windows)| {
            windows.iter().all(|window| {
                let since = now - millis(window.window);
                let counted = self.0.iter().filter(|(hash, at)| *at > since && hashes.contains(hash));
                counted.count() < window.max as usize
            })
        })
    }

    fn add(&mut self, asker: &Asker, now: i64) {
        self.0.extend(
            [&asker.number, &asker.ip].into_iter().filter_map(|hashes| Some((hashes.first()?.clone(), now))),
        );
    }

    fn remove(&mut self, asker: &Asker, at: i64) {
        for hash in [&asker.number, &asker.ip].into_iter().filter_map(|hashes| hashes.first()) {
            if let Some(place) = self.0.iter().position(|sent| sent.0 == *hash && sent.1 == at) {
                self.0.swap_remove(place);
            }
        }
    }
}

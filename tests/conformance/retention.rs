//! What is forgotten, and when: by Redis through the expiry of its keys, by the memory adapters in their sweeps.
//!
//! Expiry only collects garbage. A day after its end a record decides nothing any more, except that a late caller is no
//! longer told what became of it.

use std::time::Duration;

use deadpool_redis::redis::cmd;
use postrider_core::captchas::CaptchaRules;
use postrider_core::clock::{from_millis, millis};
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::throttle::{Asker, Decision};
use postrider_core::verification::{DeliveryState, VerificationId};
use postrider_delivery::send_record::{Claim, Claimed, Finish};
use uuid::Uuid;

use crate::captchas::RULES;
use crate::codes::{TTL, new_code};
use crate::rig::{RUNTIME, Rig, now, on_redis};
use crate::throttle::{DAY, HOUR, MINUTE, limits};

const LEASE: Duration = Duration::from_secs(30);
/// So many writes make each memory adapter sweep.
const SWEEP: usize = 1024;

fn on_memory(case: impl AsyncFn(&Rig)) {
    RUNTIME.block_on(case(&Rig::memory(now())));
}

fn task(name: &str, not_after: Option<i64>) -> Claim {
    let (task, not_after, window) = (name.into(), not_after.map(from_millis), Duration::from_mins(5));
    Claim { task, not_after, window, resend: false, replays: 0, lease: LEASE }
}

fn asker(number: &str) -> Asker {
    Asker { number: vec![number.into()], ip: vec!["ip".into()] }
}

/// When Redis collects a key by its clock, in ms since the Unix epoch.
async fn collected_at(rig: &Rig, key: &str) -> i64 {
    let key = format!("{}:{key}", rig.under().1);
    cmd("PEXPIRETIME").arg(key).query_async(&mut rig.connection().await).await.unwrap()
}

#[test]
fn redis_keeps_a_verification_for_a_day_after_its_end_whatever_happens_to_it() {
    on_redis(async |rig| {
        let codes = rig.codes();
        let (first, second) = (new_code(), new_code());
        let key = format!("verification:{}", first.id);
        let start = rig.clock.now_ms();

        codes.issue(&first).await.unwrap();
        rig.pass(MINUTE);
        codes.issue(&second).await.unwrap();
        assert_eq!(collected_at(rig, "latest:latest").await, start + MINUTE + TTL + DAY);
        codes.withdraw(&second).await.unwrap();
        codes.check(&first.id, "shop", &["wrong".into()]).await.unwrap();
        codes.delivery(&first.id, DeliveryState::Sent).await.unwrap();
        codes.check(&first.id, "shop", std::slice::from_ref(&first.mac)).await.unwrap();

        assert_eq!(collected_at(rig, &key).await, start + TTL + DAY);
        assert_eq!(collected_at(rig, "latest:latest").await, start + MINUTE + TTL + DAY);
    });
}

#[test]
fn redis_keeps_a_send_record_for_a_day_after_its_end_whatever_happens_to_it() {
    on_redis(async |rig| {
        let (records, start) = (rig.records(), rig.clock.now_ms());
        let claims =
            [task("named", Some(start + TTL)), task("window", None), task("late", Some(start - 9 * DAY))];
        let ends = [start + TTL, start + TTL, start];

        for (claim, end) in claims.iter().zip(ends) {
            for finish in [Finish::Waiting, Finish::Unknown, Finish::Sent, Finish::Dead("x".into())] {
                let claim = Claim { resend: true, ..claim.clone() };
                if let Claimed::Granted(turn) = records.claim(&claim).await.unwrap() {
                    assert!(records.finish(&turn, &finish).await.unwrap());
                }
            }

            assert_eq!(collected_at(rig, &format!("send:{}", claim.task)).await, end + DAY);
        }
    });
}

#[test]
fn redis_keeps_sends_for_the_longest_window_that_counts_them() {
    on_redis(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 2), (DAY, 5)], &[(HOUR, 5)]));
        let mut grants = Vec::new();
        for _ in 0..2 {
            let Decision::Granted(grant) = throttle.acquire(asker("number")).await.unwrap() else { panic!() };
            grants.push(grant);
        }
        let written = now().now_ms();

        assert!(throttle.release(&grants[1]).await.unwrap());

        // Redis' own clock counts here, which stands still for nobody.
        for (key, longest) in [("throttle:number", DAY), ("throttle:ip", HOUR)] {
            let left = collected_at(rig, key).await - written;
            assert!((longest - MINUTE..=longest + 1000).contains(&left), "{key}: {left}");
        }
        assert!(throttle.release(&grants[0]).await.unwrap());
        assert_eq!(rig.keys().await, Vec::<String>::new());
    });
}

#[test]
fn redis_keeps_a_picture_until_it_runs_out_and_the_list_until_the_last_of_them_does() {
    on_redis(async |rig| {
        let now = rig.clock.now_ms();
        let first = rig.captchas(RULES);
        let second = rig.captchas(CaptchaRules { ttl: RULES.ttl / 2, ..RULES });

        first.put(Uuid::nil(), "sealed").await.unwrap();
        second.put(Uuid::max(), "sealed").await.unwrap();

        let end = now + millis(RULES.ttl);
        assert_eq!(collected_at(rig, &format!("captcha:{}", Uuid::nil())).await, end);
        assert_eq!(collected_at(rig, &format!("captcha:{}", Uuid::max())).await, end - millis(RULES.ttl) / 2);
        assert_eq!(collected_at(rig, "captchas").await, end);
        first.take(Uuid::nil()).await.unwrap();
        first.take(Uuid::max()).await.unwrap();
        assert_eq!(rig.keys().await, Vec::<String>::new());
    });
}

#[test]
fn memory_forgets_a_verification_a_day_after_its_end() {
    on_memory(async |rig| {
        let codes = rig.codes();
        let code = NewCode { latest: "old".into(), ..new_code() };
        codes.issue(&code).await.unwrap();
        let known = async || {
            for _ in 0..SWEEP {
                codes.issue(&NewCode { id: VerificationId::random(), ..new_code() }).await.unwrap();
            }
            let latest = codes.latest(&["old".into()]).await.unwrap().is_some();
            (codes.check(&code.id, "shop", std::slice::from_ref(&code.mac)).await.unwrap(), latest)
        };

        rig.pass(TTL + DAY - 1);
        assert_eq!(known().await, (Verdict::Expired, true));
        rig.pass(1);
        assert_eq!(known().await, (Verdict::NotFound, false));
    });
}

#[test]
fn memory_forgets_a_send_record_a_day_after_its_end_and_its_first_sight() {
    on_memory(async |rig| {
        let (records, start) = (rig.records(), rig.clock.now_ms());
        let sent = task("sent", Some(start + TTL));
        let Claimed::Granted(turn) = records.claim(&sent).await.unwrap() else { panic!() };
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
        let late = task("late", Some(start - 9 * DAY));
        assert!(matches!(records.claim(&late).await.unwrap(), Claimed::Expired(_)));
        let swept = async || {
            for index in 0..SWEEP {
                records.claim(&task(&format!("other-{index}"), None)).await.unwrap();
            }
        };

        // What is still known keeps its first end, what was forgotten gets a new one.
        rig.pass(DAY - 1);
        swept().await;
        assert!(matches!(records.claim(&task("late", None)).await.unwrap(), Claimed::Expired(_)));
        rig.pass(1);
        swept().await;
        assert!(matches!(records.claim(&task("late", None)).await.unwrap(), Claimed::Granted(_)));

        rig.pass(TTL - 1);
        swept().await;
        assert_eq!(records.claim(&sent).await.unwrap(), Claimed::Sent);
        rig.pass(1);
        swept().await;
        assert!(matches!(records.claim(&sent).await.unwrap(), Claimed::Expired(_)));
    });
}

#[test]
fn memory_forgets_no_send_that_a_window_still_counts() {
    on_memory(async |rig| {
        let throttle = rig.throttle(&limits(&[(DAY, 1)], &[(HOUR, 1_000_000)]));
        let granted = async |number: &str| {
            matches!(throttle.acquire(asker(number)).await.unwrap(), Decision::Granted(_))
        };
        assert!(granted("number").await);

        for (later, expected) in [(DAY - 1, false), (1, true)] {
            rig.pass(later);
            for index in 0..SWEEP {
                granted(&format!("other-{later}-{index}")).await;
            }
            assert_eq!(granted("number").await, expected);
        }
    });
}

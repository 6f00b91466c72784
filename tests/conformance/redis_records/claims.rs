//! Claims of sends whose answers never came, and those of an older release.

use std::time::Duration;

use deadpool_redis::redis::cmd;
use postrider_core::clock::from_millis;
use postrider_core::redis::{Arg, Redis, RedisConfig, Script};
use postrider_delivery::send_record::{Claim, Claimed, Finish, MAX_STARTS, RedisRecords, SendRecords, Turn};

use super::LEASE;
use super::proxy::Proxy;
use crate::rig::{Rig, config, on_redis};
use crate::throttle::{DAY, MINUTE};

const LEASE_MS: i64 = 30_000;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

fn claim(rig: &Rig, task: &str) -> Claim {
    let (task, not_after) = (task.into(), Some(from_millis(rig.clock.now_ms() + 10 * MINUTE)));
    Claim { task, not_after, window: Duration::ZERO, resend: false, replays: 0, lease: LEASE }
}

async fn granted(records: &SendRecords, claim: &Claim) -> Turn {
    match records.claim(claim).await.unwrap() {
        Claimed::Granted(turn) => turn,
        other => panic!("expected a turn, got {other:?}"),
    }
}

/// The same records through a proxy, with a connection that is open and a script that is known.
async fn through(rig: &Rig) -> (Proxy, SendRecords) {
    let (url, prefix) = rig.under();
    let proxy = Proxy::before(url).await;
    let config = RedisConfig { timeout: PATIENCE, ..config(&proxy.url(url), prefix) };
    let redis = Redis::with_manual_clock(&config, rig.clock.clone()).unwrap();
    let records = SendRecords::Redis(RedisRecords::new(redis));
    granted(&records, &claim(rig, "first")).await;
    (proxy, records)
}

fn key(rig: &Rig, task: &str) -> String {
    format!("{}:send:{task}", rig.under().1)
}

async fn fields<const N: usize>(rig: &Rig, task: &str, names: [&str; N]) -> [Option<String>; N] {
    let mut get = cmd("HMGET");
    get.arg(key(rig, task)).arg(&names);
    let found: Vec<Option<String>> = get.query_async(&mut rig.connection().await).await.unwrap();
    found.try_into().unwrap()
}

#[test]
fn a_claim_whose_answer_was_lost_is_taken_back() {
    on_redis(async |rig| {
        let ((proxy, lossy), records) = (through(rig).await, rig.records());
        let claim = claim(rig, "task");

        proxy.lose_the_answer();
        assert!(lossy.claim(&claim).await.is_err());

        let found = fields(rig, "task", ["state", "fence", "starts", "calls"]).await;
        assert_eq!(found.map(Option::unwrap), ["waiting", "1", "0", "0"], "the server had written it");
        let turn = granted(&records, &claim).await;
        assert_eq!((turn.fence, turn.call), (2, 1));
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
        assert_eq!(lossy.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

#[test]
fn a_claim_that_was_taken_back_is_no_call_and_no_start() {
    on_redis(async |rig| {
        let ((proxy, lossy), records) = (through(rig).await, rig.records());
        let claim = Claim { resend: true, ..claim(rig, "task") };
        for call in 1..=MAX_STARTS {
            for _ in 0..2 {
                proxy.lose_the_answer();
                assert!(lossy.claim(&claim).await.is_err());
            }
            assert_eq!(granted(&records, &claim).await.call, call);
            rig.pass(LEASE_MS);
        }

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Poison(claim.not_after.unwrap()));
    });
}

#[test]
fn what_is_known_of_a_task_survives_an_answer_that_was_lost() {
    on_redis(async |rig| {
        let ((proxy, lossy), records) = (through(rig).await, rig.records());
        let ends = [Finish::Sent, Finish::Unknown, Finish::Dead("balance".into())];
        for finish in ends {
            let claim = claim(rig, &format!("task-{finish:?}"));
            let turn = granted(&records, &claim).await;
            assert!(records.finish(&turn, &finish).await.unwrap());
            let before = records.claim(&claim).await.unwrap();

            proxy.lose_the_answer();
            assert!(lossy.claim(&claim).await.is_err());

            assert_eq!(records.claim(&claim).await.unwrap(), before);
        }
    });
}

#[test]
fn a_claim_that_comes_after_it_was_taken_back_is_void() {
    on_redis(async |rig| {
        let ((proxy, late), records) = (through(rig).await, rig.records());
        let claim = claim(rig, "task");

        proxy.be_late();
        assert!(late.claim(&claim).await.is_err());
        let [state, version] = fields(rig, "task", ["state", "v"]).await;
        assert_eq!((state, version.as_deref()), (None, Some("1")));
        let kept = cmd("PEXPIRETIME").arg(key(rig, "task")).query_async(&mut rig.connection().await).await;
        assert_eq!(kept, Ok(rig.clock.now_ms() + DAY));
        proxy.arrive().await;

        let turn = granted(&records, &claim).await;
        assert_eq!((turn.fence, turn.call), (1, 1));
        let kept = cmd("PEXPIRETIME").arg(key(rig, "task")).query_async(&mut rig.connection().await).await;
        assert_eq!(kept, Ok(turn.not_after.as_millisecond() + DAY));
    });
}

#[test]
fn a_late_claim_touches_nothing_that_was_done_meanwhile() {
    on_redis(async |rig| {
        let ((proxy, late), records) = (through(rig).await, rig.records());
        let claim = Claim { resend: true, ..claim(rig, "task") };

        proxy.be_late();
        let (lost, turn) = tokio::join!(late.claim(&claim), granted(&records, &claim));

        assert!(lost.is_err());
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
        rig.pass(LEASE_MS);
        proxy.arrive().await;
        assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());
        let next = granted(&records, &claim).await;
        assert_eq!((next.fence, next.call), (2, 2));
    });
}

/// The taking back may lose its answer too, or come after the lease.
#[test]
fn taking_a_claim_back_twice_is_taking_it_back_once_and_an_end_stays() {
    on_redis(async |rig| {
        let script = Script::new(include_str!("../../../crates/delivery/src/send_record/take_back.lua"));
        let (url, prefix) = rig.under();
        let (redis, records) = (Redis::new(&config(url, prefix)).unwrap(), rig.records());
        let ends = [Finish::Sent, Finish::Waiting, Finish::Unknown, Finish::Dead("balance".into())];
        for finish in [None].into_iter().chain(ends.map(Some)) {
            let claim = claim(rig, &format!("task-{finish:?}"));
            let turn = granted(&records, &claim).await;
            let [mark] = fields(rig, &claim.task, ["mark"]).await.map(Option::unwrap);
            let taken_back = async || {
                let args: [Arg; 3] = ["".into(), mark.as_str().into(), DAY.into()];
                redis.invoke::<i64>(&script, &[key(rig, &claim.task)], &args).await.unwrap()
            };
            match &finish {
                Some(finish) => assert!(records.finish(&turn, finish).await.unwrap()),
                None => assert_eq!(taken_back().await, 1),
            }
            let known = async || fields(rig, &claim.task, ["state", "starts", "calls", "fence"]).await;
            let before = known().await;

            assert_eq!(taken_back().await, 0);

            assert_eq!(known().await, before, "{finish:?}");
        }
    });
}

/// A record as a release writes it whose claims begin their calls later.
async fn claimed(rig: &Rig, claim: &Claim, starts: u32, lease: Option<i64>) -> Turn {
    let (now, not_after) = (rig.clock.now_ms(), claim.not_after.unwrap());
    let mut set = cmd("HSET");
    set.arg(key(rig, &claim.task)).arg("v").arg(1).arg("state").arg("claimed");
    set.arg("ends").arg(not_after.as_millisecond()).arg("fence").arg(1).arg("starts").arg(starts);
    set.arg("calls").arg(0).arg("replays").arg(0).arg("first_seen").arg(now);
    if let Some(lease) = lease {
        set.arg("lease").arg(now + lease);
    }
    set.exec_async(&mut rig.connection().await).await.unwrap();
    Turn { task: claim.task.clone(), fence: 1, call: 1, not_after }
}

#[test]
fn a_claim_of_an_older_release_is_held_while_its_lease_lasts_and_taken_over_afterwards() {
    on_redis(async |rig| {
        let (records, claim) = (rig.records(), claim(rig, "task"));
        let older = claimed(rig, &claim, 1, Some(2000)).await;

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(Duration::from_secs(2)));
        rig.pass(1999);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(Duration::from_millis(1)));
        rig.pass(1);
        let turn = granted(&records, &claim).await;

        assert_eq!((turn.fence, turn.call, turn.not_after), (2, 1, older.not_after));
        assert!(!records.finish(&older, &Finish::Dead("late".into())).await.unwrap());
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
    });
}

#[test]
fn a_claim_of_an_older_release_expires_and_is_a_start() {
    on_redis(async |rig| {
        let records = rig.records();
        let [plain, started, over] = ["plain", "started", "over"].map(|task| claim(rig, task));
        let end = plain.not_after.unwrap();

        claimed(rig, &plain, 1, None).await;
        granted(&records, &plain).await;

        claimed(rig, &started, MAX_STARTS, Some(2000)).await;
        assert_eq!(records.claim(&started).await.unwrap(), Claimed::Held(Duration::from_secs(2)));
        rig.pass(2000);
        assert_eq!(records.claim(&started).await.unwrap(), Claimed::Poison(end));

        rig.pass(10 * MINUTE - 2001);
        claimed(rig, &over, 1, Some(2000)).await;
        rig.pass(1);
        assert_eq!(records.claim(&over).await.unwrap(), Claimed::Expired(end));
    });
}

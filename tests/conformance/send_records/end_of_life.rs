//! A task whose code has run out is not sent.

use postrider_core::clock::from_millis;
use postrider_delivery::send_record::{Claim, Claimed, Finish};

use super::{LEASE_MS, LIFE, abandoned, claim, granted, ms};
use crate::rig::on_both;

#[test]
fn a_task_can_be_claimed_until_the_instant_at_which_its_code_runs_out() {
    on_both(async |rig| {
        let records = rig.records();
        let (claim, later) = (claim(rig, "in-time"), claim(rig, "too-late"));
        let end = claim.not_after.unwrap();

        rig.pass(LIFE - 1);
        let turn = granted(&records, &claim).await;
        assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());
        rig.pass(1);

        for claim in [&claim, &later, &later] {
            assert_eq!(records.claim(claim).await.unwrap(), Claimed::Expired(end));
        }
    });
}

#[test]
fn a_call_that_never_ended_is_not_made_again_after_the_end() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        rig.pass(LIFE - LEASE_MS);

        abandoned(rig, &records, &claim).await;

        for _ in 0..2 {
            assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Expired(claim.not_after.unwrap()));
        }
    });
}

#[test]
fn a_call_that_runs_past_the_end_may_say_that_it_was_sent() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        rig.pass(LIFE - 1);
        let turn = granted(&records, &claim).await;

        rig.pass(1);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(ms(LEASE_MS - 1)));
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

#[test]
fn a_call_of_unknown_outcome_stays_unknown_after_the_end() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        granted(&records, &claim).await;

        rig.pass(LIFE);

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Unknown);
    });
}

#[test]
fn a_failed_task_is_not_tried_again_after_the_end() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let turn = granted(&records, &claim).await;
        assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());

        rig.pass(LIFE);

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Expired(claim.not_after.unwrap()));
    });
}

#[test]
fn a_task_without_an_end_of_life_gets_one_at_first_sight_and_keeps_it() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { not_after: None, window: ms(LIFE), resend: true, ..claim(rig, "task") };
        let end = from_millis(rig.clock.now_ms() + LIFE);
        assert_eq!(granted(&records, &claim).await.not_after, end);

        rig.pass(LIFE - 1 - LEASE_MS);
        let wider = Claim { window: ms(10 * LIFE), ..claim.clone() };
        assert_eq!(abandoned(rig, &records, &wider).await.not_after, end);
        let named = Claim { not_after: Some(from_millis(rig.clock.now_ms() + 10 * LIFE)), ..claim.clone() };
        let turn = granted(&records, &named).await;
        assert_eq!(turn.not_after, end);
        assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());
        rig.pass(1);

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Expired(end));
        assert_eq!(records.claim(&wider).await.unwrap(), Claimed::Expired(end));
    });
}

#[test]
fn a_task_that_comes_when_its_code_has_run_out_is_expired_at_first_sight() {
    on_both(async |rig| {
        let records = rig.records();
        let now = rig.clock.now_ms();
        for (index, end) in [now, now - 1, now - 10 * 24 * 3_600_000, 0, -1].into_iter().enumerate() {
            let end = from_millis(end);
            let claim = Claim { not_after: Some(end), ..claim(rig, &format!("task-{index}")) };

            for _ in 0..2 {
                assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Expired(end), "{end}");
            }
        }
    });
}

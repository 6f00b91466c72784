//! Claims, fences and leases.

use postrider_core::clock::millis;
use postrider_delivery::send_record::{Begun, CLAIM_LEASE, Claim, Claimed, Finish};

use super::{LEASE, LEASE_MS, begun, claim, granted, ms};
use crate::rig::{at_once, on_both};

#[test]
fn a_first_claim_is_granted_and_its_call_is_the_first() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");

        let turn = granted(&records, &claim).await;

        assert_eq!((turn.task.as_str(), turn.fence, Some(turn.not_after)), ("task", 1, claim.not_after));
        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Yes(1));
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

#[test]
fn a_second_claim_takes_a_turn_over_that_has_not_begun_for_two_seconds() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let first = granted(&records, &claim).await;

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(CLAIM_LEASE));
        rig.pass(millis(CLAIM_LEASE) - 1);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(ms(1)));
        rig.pass(1);
        let second = granted(&records, &claim).await;

        assert!(second.fence > first.fence);
        assert_eq!(records.begin(&first, LEASE).await.unwrap(), Begun::Lost);
        assert!(!records.finish(&first, &Finish::Dead("late".into())).await.unwrap());
        assert_eq!(records.begin(&second, LEASE).await.unwrap(), Begun::Yes(1));
    });
}

#[test]
fn a_turn_begins_once() {
    on_both(async |rig| {
        let records = rig.records();
        let turn = begun(&records, &claim(rig, "task")).await;

        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Lost);

        assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());
        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Lost);
    });
}

#[test]
fn a_task_that_was_never_claimed_can_neither_begin_nor_finish() {
    on_both(async |rig| {
        let records = rig.records();
        let mut turn = granted(&records, &claim(rig, "task")).await;
        turn.task = "another".into();

        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Lost);
        assert!(!records.finish(&turn, &Finish::Sent).await.unwrap());

        assert_eq!(granted(&records, &claim(rig, "another")).await.fence, 1);
    });
}

#[test]
fn while_a_call_runs_others_are_told_how_long_to_wait() {
    on_both(async |rig| {
        let records = rig.records();
        for resend in [false, true] {
            let claim = Claim { resend, ..claim(rig, &format!("task-{resend}")) };
            begun(&records, &claim).await;

            assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
            rig.pass(LEASE_MS - 1);
            assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(ms(1)));
        }
    });
}

#[test]
fn a_call_that_outlives_its_lease_is_of_unknown_outcome() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        begun(&records, &claim).await;

        rig.pass(LEASE_MS);

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Unknown);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Unknown);
    });
}

#[test]
fn a_call_that_outlives_its_lease_is_made_again_when_that_is_the_policy() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        let first = begun(&records, &claim).await;

        rig.pass(LEASE_MS);
        let second = granted(&records, &claim).await;

        assert!(!records.finish(&first, &Finish::Sent).await.unwrap());
        assert_eq!(records.begin(&second, LEASE).await.unwrap(), Begun::Yes(2));
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
    });
}

#[test]
fn an_unknown_outcome_is_tried_again_once_the_policy_allows_it() {
    on_both(async |rig| {
        let records = rig.records();
        let stop = claim(rig, "task");
        let turn = begun(&records, &stop).await;
        assert!(records.finish(&turn, &Finish::Unknown).await.unwrap());

        assert_eq!(records.claim(&stop).await.unwrap(), Claimed::Unknown);

        let turn = granted(&records, &Claim { resend: true, ..stop }).await;
        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Yes(2));
    });
}

#[test]
fn a_call_that_was_given_up_as_unknown_may_still_say_that_it_was_sent() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let turn = begun(&records, &claim).await;
        rig.pass(LEASE_MS);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Unknown);

        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

#[test]
fn a_failed_call_is_followed_by_the_next() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");

        for call in 1..=20 {
            let turn = granted(&records, &claim).await;
            assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Yes(call));
            assert!(records.finish(&turn, &Finish::Waiting).await.unwrap());
        }
    });
}

/// Copies of one message, looked at together: no crash, and no poison.
#[test]
fn of_a_hundred_claims_at_once_one_is_granted_and_the_others_wait() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");

        let claimed = at_once(100, |_| {
            let (records, claim) = (records.clone(), claim.clone());
            async move { records.claim(&claim).await.unwrap() }
        })
        .await;

        assert_eq!(claimed.iter().filter(|claimed| matches!(claimed, Claimed::Granted(_))).count(), 1);
        assert_eq!(claimed.iter().filter(|claimed| **claimed == Claimed::Held(CLAIM_LEASE)).count(), 99);
    });
}

#[test]
fn of_a_hundred_calls_at_once_one_begins() {
    on_both(async |rig| {
        let records = rig.records();
        let turn = granted(&records, &claim(rig, "task")).await;

        let begun = at_once(100, |_| {
            let (records, turn) = (records.clone(), turn.clone());
            async move { records.begin(&turn, LEASE).await.unwrap() }
        })
        .await;

        assert_eq!(begun.iter().filter(|begun| **begun == Begun::Yes(1)).count(), 1);
        assert_eq!(begun.iter().filter(|begun| **begun == Begun::Lost).count(), 99);
    });
}

#[test]
fn tasks_do_not_touch_each_other() {
    on_both(async |rig| {
        let records = rig.records();
        let turn = begun(&records, &claim(rig, "a")).await;
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());

        let turn = granted(&records, &claim(rig, "b")).await;

        assert_eq!(turn.fence, 1);
        assert_eq!(records.begin(&turn, LEASE).await.unwrap(), Begun::Yes(1));
    });
}

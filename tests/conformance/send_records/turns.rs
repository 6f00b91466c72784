//! Claims, fences and leases.

use postrider_delivery::send_record::{Claim, Claimed, Finish};

use super::{LEASE, LEASE_MS, abandoned, claim, granted, ms};
use crate::rig::{at_once, on_both};

#[test]
fn a_first_claim_is_granted_and_its_call_is_the_first() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");

        let turn = granted(&records, &claim).await;

        assert_eq!((turn.task.as_str(), Some(turn.not_after)), ("task", claim.not_after));
        assert_eq!((turn.fence, turn.call), (1, 1));
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

#[test]
fn a_task_that_was_never_claimed_cannot_be_finished() {
    on_both(async |rig| {
        let records = rig.records();
        let mut turn = granted(&records, &claim(rig, "task")).await;
        turn.task = "another".into();

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
            granted(&records, &claim).await;

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
        granted(&records, &claim).await;

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
        let first = abandoned(rig, &records, &claim).await;

        let second = granted(&records, &claim).await;

        assert!(second.fence > first.fence);
        assert_eq!((first.call, second.call), (1, 2));
        for late in [Finish::Sent, Finish::Waiting, Finish::Unknown, Finish::Dead("late".into())] {
            assert!(!records.finish(&first, &late).await.unwrap());
        }
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
        assert!(records.finish(&second, &Finish::Waiting).await.unwrap());
        assert_eq!(granted(&records, &claim).await.call, 3);
    });
}

/// The lease is that of the call that runs, whatever others would ask for.
#[test]
fn a_claim_does_not_change_how_long_another_may_take() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        granted(&records, &claim).await;

        for lease in [ms(0), ms(1), 2 * LEASE] {
            let other = Claim { lease, ..claim.clone() };
            assert_eq!(records.claim(&other).await.unwrap(), Claimed::Held(LEASE));
        }
    });
}

#[test]
fn an_unknown_outcome_is_tried_again_once_the_policy_allows_it() {
    on_both(async |rig| {
        let records = rig.records();
        let stop = claim(rig, "task");
        let turn = granted(&records, &stop).await;
        assert!(records.finish(&turn, &Finish::Unknown).await.unwrap());

        assert_eq!(records.claim(&stop).await.unwrap(), Claimed::Unknown);

        assert_eq!(granted(&records, &Claim { resend: true, ..stop }).await.call, 2);
    });
}

#[test]
fn a_call_that_was_given_up_as_unknown_may_still_say_that_it_was_sent() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let turn = granted(&records, &claim).await;
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
            assert_eq!(turn.call, call);
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

        let first = |claimed: &Claimed| matches!(claimed, Claimed::Granted(turn) if turn.call == 1);
        assert_eq!(claimed.iter().filter(|claimed| first(claimed)).count(), 1);
        assert_eq!(claimed.iter().filter(|claimed| **claimed == Claimed::Held(LEASE)).count(), 99);
    });
}

#[test]
fn tasks_do_not_touch_each_other() {
    on_both(async |rig| {
        let records = rig.records();
        let turn = granted(&records, &claim(rig, "a")).await;
        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());

        let turn = granted(&records, &claim(rig, "b")).await;

        assert_eq!((turn.fence, turn.call), (1, 1));
    });
}

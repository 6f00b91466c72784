//! Tasks that are given up: by a handler, or because they were started too often.

use postrider_delivery::send_record::{Claim, Claimed, Finish, MAX_STARTS};

use super::{LEASE, LEASE_MS, LIFE, abandoned, claim, granted};
use crate::rig::on_both;

fn dead(claim: &Claim, reason: &str) -> Claimed {
    Claimed::Dead { reason: reason.into(), not_after: claim.not_after.unwrap() }
}

#[test]
fn a_task_that_was_given_up_stays_so_with_its_reason() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let turn = granted(&records, &claim).await;

        assert!(records.finish(&turn, &Finish::Dead("recipient_invalid".into())).await.unwrap());

        for _ in 0..2 {
            assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "recipient_invalid"));
        }
        rig.pass(LIFE);
        assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "recipient_invalid"));
    });
}

#[test]
fn a_replay_opens_a_task_that_was_given_up_once_for_each_replay() {
    on_both(async |rig| {
        let records = rig.records();
        let mut claim = claim(rig, "task");
        for replays in 1..=3 {
            let turn = granted(&records, &claim).await;
            assert!(records.finish(&turn, &Finish::Dead("balance".into())).await.unwrap());
            assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "balance"));
            claim.replays = replays;
        }

        // A copy of the message from before the last replay, too, finds the task open while it runs.
        let turn = granted(&records, &claim).await;
        assert_eq!(turn.call, 4);
        assert!(records.finish(&turn, &Finish::Dead("balance".into())).await.unwrap());
        claim.replays = 1;
        assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "balance"));
    });
}

#[test]
fn a_replay_does_not_open_what_was_sent_or_may_have_been() {
    on_both(async |rig| {
        let records = rig.records();
        for (finish, expected) in [(Finish::Sent, Claimed::Sent), (Finish::Unknown, Claimed::Unknown)] {
            let claim = claim(rig, &format!("task-{finish:?}"));
            let turn = granted(&records, &claim).await;
            assert!(records.finish(&turn, &finish).await.unwrap());

            assert_eq!(records.claim(&Claim { replays: 7, ..claim }).await.unwrap(), expected);
        }
    });
}

#[test]
fn a_replay_after_the_end_of_life_is_expired() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = claim(rig, "task");
        let turn = granted(&records, &claim).await;
        assert!(records.finish(&turn, &Finish::Dead("balance".into())).await.unwrap());

        rig.pass(LIFE);

        let replayed = Claim { replays: 1, ..claim };
        assert_eq!(records.claim(&replayed).await.unwrap(), Claimed::Expired(replayed.not_after.unwrap()));
    });
}

#[test]
fn a_task_that_is_first_seen_as_a_replay_is_opened_by_the_next_one_only() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { replays: 2, ..claim(rig, "task") };
        let turn = granted(&records, &claim).await;
        assert!(records.finish(&turn, &Finish::Dead("balance".into())).await.unwrap());

        assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "balance"));
        granted(&records, &Claim { replays: 3, ..claim }).await;
    });
}

#[test]
fn a_task_that_was_started_five_times_without_an_end_is_poison() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        for _ in 0..MAX_STARTS {
            abandoned(rig, &records, &claim).await;
        }

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Poison(claim.not_after.unwrap()));

        assert_eq!(records.claim(&claim).await.unwrap(), dead(&claim, "poison"));
        // An operator's replay gives it five more.
        let replayed = Claim { replays: 1, ..claim };
        for _ in 0..MAX_STARTS {
            abandoned(rig, &records, &replayed).await;
        }
        assert_eq!(records.claim(&replayed).await.unwrap(), Claimed::Poison(replayed.not_after.unwrap()));
    });
}

#[test]
fn a_claim_that_has_to_wait_is_not_a_start() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        for _ in 0..MAX_STARTS {
            granted(&records, &claim).await;
            for _ in 0..10 {
                assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
            }
            rig.pass(LEASE_MS);
        }

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Poison(claim.not_after.unwrap()));
    });
}

#[test]
fn an_end_of_any_kind_forgets_the_starts_before_it() {
    on_both(async |rig| {
        let records = rig.records();
        for finish in [Finish::Waiting, Finish::Unknown] {
            let claim = Claim { resend: true, ..claim(rig, &format!("task-{finish:?}")) };
            for _ in 1..MAX_STARTS {
                abandoned(rig, &records, &claim).await;
            }
            let turn = granted(&records, &claim).await;
            assert!(records.finish(&turn, &finish).await.unwrap());

            for _ in 0..MAX_STARTS {
                abandoned(rig, &records, &claim).await;
            }
            assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Poison(claim.not_after.unwrap()));
        }
    });
}

#[test]
fn a_call_that_was_called_unknown_has_come_to_an_end() {
    on_both(async |rig| {
        let records = rig.records();
        let stop = claim(rig, "task");
        let again = Claim { resend: true, ..stop.clone() };
        for _ in 0..MAX_STARTS {
            abandoned(rig, &records, &again).await;
        }

        assert_eq!(records.claim(&stop).await.unwrap(), Claimed::Unknown);

        for _ in 0..MAX_STARTS {
            abandoned(rig, &records, &again).await;
        }
        assert_eq!(records.claim(&again).await.unwrap(), Claimed::Poison(again.not_after.unwrap()));
    });
}

#[test]
fn the_last_start_may_still_end_after_the_task_was_called_poison() {
    on_both(async |rig| {
        let records = rig.records();
        let claim = Claim { resend: true, ..claim(rig, "task") };
        for _ in 1..MAX_STARTS {
            abandoned(rig, &records, &claim).await;
        }
        let last = granted(&records, &claim).await;
        rig.pass(LEASE_MS);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Poison(claim.not_after.unwrap()));

        assert!(records.finish(&last, &Finish::Sent).await.unwrap());

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    });
}

//! The end of a turn and what its verification is told, in one step.

use postrider_core::clock::ManualClock;
use postrider_core::codes::{Codes, NewCode};
use postrider_core::verification::{DeliveryState, VerificationId};
use postrider_delivery::send_record::{Claim, Claimed, Finish, Note, SendRecords};
use postrider_tests::servers::shared_redis_url;
use postrider_tests::stores::Issuer;

use super::{LEASE, abandoned, claim, granted};
use crate::codes::new_code;
use crate::rig::{RUNTIME, Rig, fresh_prefix, now, on_both};

async fn issued(codes: &Issuer) -> NewCode {
    let code = new_code();
    codes.issue(&code).await.unwrap();
    code
}

async fn delivery(codes: &Codes, code: &NewCode) -> DeliveryState {
    codes.get(&code.id, &code.app).await.unwrap().unwrap().delivery
}

/// Finishes a first turn and tells a fresh verification, both of which must be found so afterwards.
async fn finished_and_told(rig: &Rig, records: &SendRecords, codes: &Issuer) {
    let (claim, code) = (claim(rig, "task"), issued(codes).await);
    let turn = granted(records, &claim).await;

    let note = Note { codes, verification: &code.id, state: DeliveryState::Sent };
    assert!(records.finish_and_note(&turn, &Finish::Sent, &note).await.unwrap());

    assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
    assert_eq!(delivery(codes, &code).await, DeliveryState::Sent);
}

#[test]
fn a_turn_ends_and_its_verification_is_told() {
    on_both(async |rig| finished_and_told(rig, &rig.records(), &rig.codes()).await);
}

#[test]
fn the_records_and_the_verifications_need_not_be_in_one_place() {
    RUNTIME.block_on(async {
        let rig = |clock: &ManualClock| Rig::redis(&shared_redis_url(), &fresh_prefix(), clock.clone());
        let clock = now();
        let (memory, redis) = (Rig::memory(clock.clone()), rig(&clock));

        finished_and_told(&memory, &memory.records(), &redis.codes()).await;
        finished_and_told(&memory, &redis.records(), &memory.codes()).await;

        redis.remove_keys().await;
    });
}

#[test]
fn each_end_is_kept_beside_what_the_verification_is_told() {
    on_both(async |rig| {
        let (records, codes) = (rig.records(), rig.codes());
        for (finish, state) in [
            (Finish::Dead("balance".into()), DeliveryState::Failed),
            (Finish::Unknown, DeliveryState::Unknown),
            (Finish::Waiting, DeliveryState::Queued),
        ] {
            let (claim, code) = (claim(rig, &format!("task-{finish:?}")), issued(&codes).await);
            let turn = granted(&records, &claim).await;

            let note = Note { codes: &codes, verification: &code.id, state };
            assert!(records.finish_and_note(&turn, &finish, &note).await.unwrap());

            assert_eq!(delivery(&codes, &code).await, state);
            match (finish, records.claim(&claim).await.unwrap()) {
                (Finish::Dead(given), Claimed::Dead { reason, .. }) => assert_eq!(reason, given),
                (Finish::Unknown, Claimed::Unknown) => {}
                (Finish::Waiting, Claimed::Granted(turn)) => assert_eq!(turn.call, 2),
                (finish, claimed) => panic!("after {finish:?}: {claimed:?}"),
            }
        }
    });
}

#[test]
fn a_verification_is_told_even_when_the_turn_was_taken_over() {
    on_both(async |rig| {
        let (records, codes) = (rig.records(), rig.codes());
        let (claim, code) = (Claim { resend: true, ..claim(rig, "task") }, issued(&codes).await);
        let late = abandoned(rig, &records, &claim).await;
        granted(&records, &claim).await;

        let note = Note { codes: &codes, verification: &code.id, state: DeliveryState::Sent };
        assert!(!records.finish_and_note(&late, &Finish::Sent, &note).await.unwrap());

        assert_eq!(delivery(&codes, &code).await, DeliveryState::Sent);
        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Held(LEASE));
    });
}

#[test]
fn nothing_replaces_sent() {
    on_both(async |rig| {
        let (records, codes) = (rig.records(), rig.codes());
        let (claim, code) = (claim(rig, "task"), issued(&codes).await);
        let turn = granted(&records, &claim).await;

        for state in [DeliveryState::Unknown, DeliveryState::Sent, DeliveryState::Failed] {
            let note = Note { codes: &codes, verification: &code.id, state };
            assert!(records.finish_and_note(&turn, &Finish::Waiting, &note).await.unwrap());
        }

        assert_eq!(delivery(&codes, &code).await, DeliveryState::Sent);
    });
}

#[test]
fn a_turn_ends_when_its_verification_is_gone_and_none_is_made_of_the_note() {
    on_both(async |rig| {
        let (records, codes) = (rig.records(), rig.codes());
        let (claim, id) = (claim(rig, "task"), VerificationId::random());
        let turn = granted(&records, &claim).await;

        let note = Note { codes: &codes, verification: &id, state: DeliveryState::Sent };
        assert!(records.finish_and_note(&turn, &Finish::Sent, &note).await.unwrap());

        assert_eq!(records.claim(&claim).await.unwrap(), Claimed::Sent);
        assert_eq!(codes.get(&id, "shop").await.unwrap(), None);
    });
}

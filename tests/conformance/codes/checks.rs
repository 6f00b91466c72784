//! Guesses.

use postrider_core::clock::from_millis;
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::verification::{DeliveryState, Status, Verification, VerificationId};

use super::{APP, RIGHT, TTL, WRONG, approved, check, incorrect, issued, new_code};
use crate::rig::{at_once, on_both};

#[test]
fn the_right_code_is_approved_once() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;
        rig.pass(1);
        let now = rig.clock.now_ms();

        let verdict = check(&codes, &code, RIGHT).await;

        let verification = Verification {
            id: code.id.clone(),
            purpose: "login".into(),
            to: "+86138****8000".into(),
            status: Status::Approved,
            created_at: from_millis(now - 1),
            expires_at: from_millis(now - 1 + TTL),
            resend_at: from_millis(now - 1 + 60_000),
            approved_at: Some(from_millis(now)),
            checks_left: 4,
            delivery: DeliveryState::Queued,
        };
        assert_eq!(verdict, Verdict::Approved(verification.clone()));
        rig.pass(1);
        assert_eq!(check(&codes, &code, RIGHT).await, Verdict::Consumed);
        assert_eq!(check(&codes, &code, WRONG).await, Verdict::Consumed);
        assert_eq!(codes.get(&code.id, APP).await.unwrap(), Some(verification));
    });
}

#[test]
fn a_wrong_code_costs_a_guess_and_the_right_one_still_passes() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        for left in [4, 3, 2, 1] {
            assert_eq!(check(&codes, &code, WRONG).await, incorrect(left));
        }

        assert!(approved(&codes, &code).await);
    });
}

#[test]
fn after_five_wrong_guesses_the_right_code_fails_too() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        for left in [4, 3, 2, 1, 0] {
            assert_eq!(check(&codes, &code, WRONG).await, incorrect(left));
        }

        assert_eq!(check(&codes, &code, RIGHT).await, Verdict::Exhausted);
        assert_eq!(check(&codes, &code, WRONG).await, Verdict::Exhausted);
    });
}

#[test]
fn of_a_hundred_right_checks_at_once_one_is_approved() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        let verdicts = at_once(100, |_| {
            let (codes, code) = (codes.clone(), code.clone());
            async move { check(&codes, &code, RIGHT).await }
        })
        .await;

        let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
        assert_eq!(count(|verdict| matches!(verdict, Verdict::Approved(_))), 1);
        assert_eq!(count(|verdict| *verdict == Verdict::Consumed), 99);
    });
}

#[test]
fn of_two_hundred_wrong_checks_at_once_five_are_compared_and_the_right_code_fails_too() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        let verdicts = at_once(200, |_| {
            let (codes, code) = (codes.clone(), code.clone());
            async move { check(&codes, &code, WRONG).await }
        })
        .await;

        let count = |wanted: &Verdict| verdicts.iter().filter(|verdict| *verdict == wanted).count();
        for left in 0..5 {
            assert_eq!(count(&incorrect(left)), 1, "{left} left");
        }
        assert_eq!(count(&Verdict::Exhausted), 195);
        assert_eq!(check(&codes, &code, RIGHT).await, Verdict::Exhausted);
    });
}

#[test]
fn a_code_is_right_until_the_instant_at_which_it_expires() {
    on_both(async |rig| {
        let codes = rig.codes();
        let (in_time, too_late) = (issued(&codes).await, issued(&codes).await);

        rig.pass(TTL - 1);
        assert!(approved(&codes, &in_time).await);
        rig.pass(1);
        assert_eq!(check(&codes, &too_late, RIGHT).await, Verdict::Expired);
        assert_eq!(check(&codes, &too_late, WRONG).await, Verdict::Expired);
        // What was right stays right.
        assert_eq!(check(&codes, &in_time, RIGHT).await, Verdict::Consumed);
    });
}

#[test]
fn an_expired_code_with_no_guesses_left_is_expired() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = NewCode { max_checks: 1, ..new_code() };
        codes.issue(&code).await.unwrap();

        assert_eq!(check(&codes, &code, WRONG).await, incorrect(0));
        rig.pass(TTL);

        assert_eq!(check(&codes, &code, RIGHT).await, Verdict::Expired);
    });
}

#[test]
fn another_apps_check_finds_nothing_and_costs_no_guess() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        for app in ["other", "", "shop2", "SHOP"] {
            let verdict = codes.check(&code.id, app, &[RIGHT.into()]).await.unwrap();
            assert_eq!(verdict, Verdict::NotFound, "{app:?}");
        }

        assert_eq!(check(&codes, &code, WRONG).await, incorrect(4));
    });
}

#[test]
fn an_unknown_id_is_not_found() {
    on_both(async |rig| {
        let codes = rig.codes();
        issued(&codes).await;
        let unknown = VerificationId::random();

        assert_eq!(codes.check(&unknown, APP, &[RIGHT.into()]).await.unwrap(), Verdict::NotFound);
        assert_eq!(codes.get(&unknown, APP).await.unwrap(), None);
        assert!(!codes.delivery(&unknown, DeliveryState::Sent).await.unwrap());
        assert_eq!(codes.get(&unknown, APP).await.unwrap(), None);
    });
}

#[test]
fn the_code_of_one_verification_does_not_pass_for_another() {
    on_both(async |rig| {
        let codes = rig.codes();
        let first = issued(&codes).await;
        let second = NewCode { mac: WRONG.into(), ..new_code() };
        codes.issue(&second).await.unwrap();

        assert_eq!(check(&codes, &second, RIGHT).await, incorrect(4));
        assert_eq!(check(&codes, &first, WRONG).await, incorrect(4));
        assert!(approved(&codes, &first).await);
    });
}

#[test]
fn a_guess_is_right_when_its_mac_under_any_key_is_the_stored_one() {
    let old = RIGHT.replace("k1.", "k0.");
    // The guess's MACs, and whether one of them is that of the right code.
    let table: [(&[&str], bool); 9] = [
        (&[RIGHT], true),
        (&[&old, RIGHT], true),
        (&[RIGHT, &old], true),
        (&[&old, WRONG, RIGHT], true),
        (&[WRONG, &old], false),
        (&[&RIGHT[..RIGHT.len() - 1]], false),
        (&[&format!("{RIGHT}0")], false),
        (&[""], false),
        (&[], false),
    ];
    on_both(async |rig| {
        let codes = rig.codes();
        for (macs, right) in table {
            let code = issued(&codes).await;
            let macs: Vec<String> = macs.iter().map(|mac| (*mac).to_owned()).collect();

            let verdict = codes.check(&code.id, APP, &macs).await.unwrap();

            // However many keys there are, it is one guess.
            match verdict {
                Verdict::Approved(view) => assert!(right && view.checks_left == 4, "{macs:?}"),
                other => assert!(!right && other == incorrect(4), "{macs:?}: {other:?}"),
            }
        }
    });
}

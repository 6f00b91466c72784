//! What a reader sees of a verification, and what the worker writes back.

use postrider_core::clock::{from_millis, millis};
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::verification::DeliveryState::{self, Expired, Failed, Queued, Sent, Unknown};
use postrider_core::verification::Status;
use postrider_tests::stores::GAP;

use super::{APP, RIGHT, TTL, WRONG, approved, check, incorrect, issued, new_code};
use crate::rig::on_both;

#[test]
fn reading_shows_everything_and_spends_no_guess() {
    on_both(async |rig| {
        let codes = rig.codes();
        let (code, asked) = (issued(&codes).await, rig.clock.now_ms());

        for _ in 0..20 {
            let view = codes.get(&code.id, APP).await.unwrap().unwrap();
            assert_eq!(
                (&view.id, view.purpose.as_str(), view.to.as_str()),
                (&code.id, "login", "+86138****8000")
            );
            assert_eq!((view.status, view.checks_left, view.approved_at), (Status::Pending, 5, None));
            assert_eq!(view.created_at, from_millis(asked));
            assert_eq!(view.expires_at, from_millis(asked + TTL));
            assert_eq!(view.resend_at, from_millis(asked + millis(GAP)));
            assert_eq!(view.delivery, Queued);
            assert_eq!(codes.get(&code.id, "other").await.unwrap(), None);
        }

        assert_eq!(check(&codes, &code, WRONG).await, incorrect(4));
    });
}

#[test]
fn the_status_follows_the_checks_and_the_time() {
    // Whether it was approved, guesses made, time passed.
    let table = [
        (false, 0, 0, Status::Pending),
        (false, 4, TTL - 1, Status::Pending),
        (false, 5, 0, Status::Locked),
        (false, 5, TTL - 1, Status::Locked),
        (false, 0, TTL, Status::Expired),
        (false, 5, TTL, Status::Expired),
        (true, 0, 0, Status::Approved),
        (true, 4, 0, Status::Approved),
        (true, 0, TTL, Status::Approved),
    ];
    on_both(async |rig| {
        let codes = rig.codes();
        for (index, (right, wrong, later, expected)) in table.into_iter().enumerate() {
            let code = issued(&codes).await;
            for _ in 0..wrong {
                check(&codes, &code, WRONG).await;
            }
            assert_eq!(right && approved(&codes, &code).await, right);

            rig.pass(later);

            let view = codes.get(&code.id, APP).await.unwrap().unwrap();
            assert_eq!(view.status, expected, "case {index}");
            assert_eq!(view.checks_left, 5 - wrong - u32::from(right), "case {index}");
        }
    });
}

#[test]
fn what_became_of_the_sms_is_replaced_by_what_is_known_later_except_that_sent_stays() {
    let table: [(&[DeliveryState], DeliveryState); 8] = [
        (&[], Queued),
        (&[Sent], Sent),
        (&[Failed], Failed),
        (&[Unknown], Unknown),
        (&[Expired], Expired),
        (&[Failed, Queued, Unknown], Unknown),
        (&[Unknown, Failed, Sent], Sent),
        (&[Sent, Failed, Expired, Unknown, Queued], Sent),
    ];
    on_both(async |rig| {
        let codes = rig.codes();
        for (states, expected) in table {
            let code = issued(&codes).await;

            for state in states {
                assert!(codes.delivery(&code.id, *state).await.unwrap());
            }

            let view = codes.get(&code.id, APP).await.unwrap().unwrap();
            assert_eq!((view.delivery, view.checks_left), (expected, 5), "{states:?}");
        }
    });
}

#[test]
fn the_delivery_is_written_back_after_the_check_and_after_the_end_too() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;
        assert!(approved(&codes, &code).await);
        rig.pass(TTL);

        assert!(codes.delivery(&code.id, Sent).await.unwrap());

        let view = codes.get(&code.id, APP).await.unwrap().unwrap();
        assert_eq!((view.status, view.delivery), (Status::Approved, Sent));
    });
}

#[test]
fn a_withdrawn_code_was_never_issued() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        codes.withdraw(&code).await.unwrap();
        codes.withdraw(&code).await.unwrap();

        assert_eq!(check(&codes, &code, RIGHT).await, Verdict::NotFound);
        assert_eq!(codes.get(&code.id, APP).await.unwrap(), None);
        assert!(!codes.delivery(&code.id, Sent).await.unwrap());
        assert_eq!(codes.get(&code.id, APP).await.unwrap(), None);
    });
}

#[test]
fn text_is_kept_as_it_was_given() {
    on_both(async |rig| {
        let codes = rig.codes();
        let app = "a:b c\r\n\"'\0é店";
        let code =
            NewCode { app: app.into(), purpose: "付款 \u{1F4B3}".into(), to: String::new(), ..new_code() };
        codes.issue(&code).await.unwrap();

        let view = codes.get(&code.id, app).await.unwrap().unwrap();

        assert_eq!((view.purpose, view.to), (code.purpose, String::new()));
    });
}

//! Giving a slot back.

use postrider_core::throttle::DeniedBy::{Cooldown, Ip, Number};

use super::{DEFAULT, HOUR, MINUTE, SECOND, denied, granted, limits, number, number_at, rotated, send_at};
use crate::rig::on_both;

#[test]
fn a_slot_that_was_given_back_can_be_taken_at_once() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 1)]));
        let grant = granted(&throttle, number_at("number", "ip")).await;

        assert!(throttle.release(&grant).await.unwrap());

        let again = granted(&throttle, number_at("number", "ip")).await;
        assert_eq!(again, grant);
        assert_eq!(denied(&throttle, number("number")).await, (Cooldown, MINUTE));
        assert_eq!(denied(&throttle, number_at("other", "ip")).await, (Ip, HOUR));
    });
}

#[test]
fn a_slot_is_given_back_once() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 5)]));
        let grant = granted(&throttle, number_at("number", "ip")).await;

        assert!(throttle.release(&grant).await.unwrap());
        assert!(!throttle.release(&grant).await.unwrap());

        rig.pass(SECOND);
        granted(&throttle, number_at("number", "ip")).await;
        assert!(!throttle.release(&grant).await.unwrap());
        assert_eq!(denied(&throttle, number("number")).await, (Cooldown, MINUTE));
    });
}

#[test]
fn giving_back_twice_does_not_free_what_another_number_took_in_the_same_millisecond() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 2)]));
        let first = granted(&throttle, number_at("a", "ip")).await;
        granted(&throttle, number_at("b", "ip")).await;

        assert!(throttle.release(&first).await.unwrap());
        assert!(!throttle.release(&first).await.unwrap());

        granted(&throttle, number_at("c", "ip")).await;
        assert_eq!(denied(&throttle, number_at("d", "ip")).await, (Ip, HOUR));
    });
}

#[test]
fn of_two_numbers_in_the_same_millisecond_each_gives_its_own_back() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 2)]));
        let first = granted(&throttle, number_at("a", "ip")).await;
        let second = granted(&throttle, number_at("b", "ip")).await;

        assert!(throttle.release(&second).await.unwrap());
        assert_eq!(denied(&throttle, number("a")).await, (Cooldown, MINUTE));
        assert!(throttle.release(&first).await.unwrap());

        granted(&throttle, number_at("a", "ip")).await;
        granted(&throttle, number_at("b", "ip")).await;
        assert_eq!(denied(&throttle, number_at("c", "ip")).await, (Ip, HOUR));
    });
}

#[test]
fn giving_back_takes_only_its_own_send_out_of_the_windows() {
    // Of sends at 0, 1 and 2 minutes one is given back, and the oldest one that is left.
    let table = [(0, MINUTE), (1, 0), (2, 0)];
    on_both(async |rig| {
        for (released, oldest) in table {
            let throttle = rig.throttle(&limits(&[(HOUR, 3)], &[(HOUR, 100)]));
            let asker = number(&format!("number-{released}"));
            let grants = send_at(rig, &throttle, &asker, &[0, MINUTE, 2 * MINUTE]).await;

            assert!(throttle.release(&grants[released]).await.unwrap());

            granted(&throttle, asker.clone()).await;
            let wait = oldest + HOUR - 2 * MINUTE;
            assert_eq!(denied(&throttle, asker).await, (Number, wait), "without send {released}");
        }
    });
}

#[test]
fn giving_an_earlier_send_back_leaves_the_gap_of_the_later_one() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 100)]));
        let grants = send_at(rig, &throttle, &number("number"), &[0, MINUTE]).await;

        assert!(throttle.release(&grants[0]).await.unwrap());
        assert_eq!(denied(&throttle, number("number")).await, (Cooldown, MINUTE));

        assert!(throttle.release(&grants[1]).await.unwrap());
        granted(&throttle, number("number")).await;
    });
}

#[test]
fn a_slot_can_be_given_back_until_it_leaves_the_longest_window() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1), (HOUR, 5)], &[(MINUTE, 5)]));
        let [early, late] = ["early", "late"].map(number);
        let (early, late) = (granted(&throttle, early).await, granted(&throttle, late).await);

        rig.pass(HOUR - 1);
        assert!(throttle.release(&early).await.unwrap());
        rig.pass(1);
        assert!(!throttle.release(&late).await.unwrap());
    });
}

#[test]
fn a_slot_that_ran_out_for_the_address_is_still_given_back_to_the_number_and_the_other_way_round() {
    on_both(async |rig| {
        for (of_number, of_ip) in [(HOUR, MINUTE), (MINUTE, HOUR)] {
            let throttle = rig.throttle(&limits(&[(of_number, 1)], &[(of_ip, 1)]));
            let asker = number_at(&format!("number-{of_ip}"), &format!("ip-{of_ip}"));
            let grant = granted(&throttle, asker.clone()).await;

            rig.pass(MINUTE);
            assert!(throttle.release(&grant).await.unwrap());

            granted(&throttle, asker).await;
        }
    });
}

#[test]
fn a_slot_is_given_back_to_the_key_that_was_first_when_it_was_taken() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(HOUR, 2)], &[(HOUR, 100)]));
        granted(&throttle, rotated(&["old"])).await;
        let grant = granted(&throttle, rotated(&["new", "old"])).await;

        assert!(throttle.release(&grant).await.unwrap());
        assert!(!throttle.release(&grant).await.unwrap());

        granted(&throttle, rotated(&["old"])).await;
        assert_eq!(denied(&throttle, rotated(&["old"])).await, (Number, HOUR));
        assert_eq!(denied(&throttle, rotated(&["new", "old"])).await, (Number, HOUR));
    });
}

//! What the windows count, when they open, and what a denial says.

use postrider_core::throttle::DeniedBy::{self, Cooldown, Ip, Number};

use super::{
    DAY, DEFAULT, HOUR, MINUTE, SECOND, denied, granted, limits, number, number_at, rotated, send_at,
};
use crate::rig::on_both;

/// More than any test sends.
const WIDE: &[(i64, u32)] = &[(HOUR, 1000)];

#[test]
fn a_window_opens_at_the_instant_at_which_its_oldest_send_leaves_it() {
    on_both(async |rig| {
        for (index, (window, max)) in DEFAULT.into_iter().enumerate() {
            let throttle = rig.throttle(&limits(&[(window, max)], WIDE));
            let asker = number(&format!("number-{index}"));
            let by = if max == 1 { Cooldown } else { Number };
            let start = rig.clock.now_ms();
            let offsets: Vec<i64> = (0..i64::from(max)).map(|send| send * SECOND).collect();
            send_at(rig, &throttle, &asker, &offsets).await;

            // The window rolls: it opens for one send at a time, as each of the first ones leaves it.
            for offset in offsets {
                let opens = start + offset + window;
                assert_eq!(denied(&throttle, asker.clone()).await, (by, opens - rig.clock.now_ms()));
                rig.pass(opens - 1 - rig.clock.now_ms());
                assert_eq!(denied(&throttle, asker.clone()).await, (by, 1));
                rig.pass(1);
                assert_eq!(granted(&throttle, asker.clone()).await.at_ms, opens);
            }
        }
    });
}

#[test]
fn the_window_of_an_address_counts_sends_to_all_numbers() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1)], &[(HOUR, 3)]));
        for send in 0..3 {
            granted(&throttle, number_at(&format!("number-{send}"), "ip")).await;
            rig.pass(SECOND);
        }

        rig.pass(HOUR - 3 * SECOND - 1);
        assert_eq!(denied(&throttle, number_at("fourth", "ip")).await, (Ip, 1));
        rig.pass(1);
        granted(&throttle, number_at("fourth", "ip")).await;
        assert_eq!(denied(&throttle, number_at("fifth", "ip")).await, (Ip, SECOND));
        granted(&throttle, number_at("fifth", "other-ip")).await;
    });
}

#[test]
fn an_unknown_address_is_counted_by_no_window() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1)], &[(HOUR, 1)]));

        for send in 0..20 {
            granted(&throttle, number(&format!("number-{send}"))).await;
        }
        granted(&throttle, number_at("with-ip", "ip")).await;
        granted(&throttle, number("without-ip")).await;

        assert_eq!(denied(&throttle, number_at("another", "ip")).await, (Ip, HOUR));
    });
}

#[test]
fn a_denial_names_the_limit_with_the_longest_wait() {
    // Sends at these seconds, then a denial so much later.
    let table: [(&[i64], i64, (DeniedBy, i64)); 7] = [
        (&[0], 0, (Cooldown, MINUTE)),
        (&[0], MINUTE - 1, (Cooldown, 1)),
        (&[0, 60, 120, 180, 240], 0, (Number, HOUR - 4 * MINUTE)),
        (&[0, 60, 120, 180, 3539], 0, (Number, MINUTE + SECOND)),
        // The gap and the hour end together, then the gap ends last.
        (&[0, 60, 120, 180, 3540], 0, (Cooldown, MINUTE)),
        (&[0, 60, 120, 180, 3570], 29 * SECOND, (Cooldown, 31 * SECOND)),
        (&[0, 60, 120, 180, 240, 3600, 3660, 3720, 3780, 3840], 0, (Number, DAY - 64 * MINUTE)),
    ];
    on_both(async |rig| {
        for (index, (seconds, later, expected)) in table.into_iter().enumerate() {
            let throttle = rig.throttle(&limits(&DEFAULT, WIDE));
            let asker = number(&format!("number-{index}"));
            let offsets: Vec<i64> = seconds.iter().map(|second| second * SECOND).collect();

            send_at(rig, &throttle, &asker, &offsets).await;
            rig.pass(later);

            assert_eq!(denied(&throttle, asker).await, expected, "case {index}");
        }
    });
}

#[test]
fn of_a_number_and_its_address_the_longer_wait_is_named_and_the_number_when_both_are_alike() {
    // The window of the number, of the address, and what a second send is told.
    let table = [
        (MINUTE, HOUR, (Ip, HOUR)),
        (HOUR, MINUTE, (Cooldown, HOUR)),
        (HOUR, HOUR, (Cooldown, HOUR)),
        (HOUR, HOUR + 1, (Ip, HOUR + 1)),
    ];
    on_both(async |rig| {
        for (index, (of_number, of_ip, expected)) in table.into_iter().enumerate() {
            let throttle = rig.throttle(&limits(&[(of_number, 1)], &[(of_ip, 1)]));
            let asker = number_at(&format!("number-{index}"), &format!("ip-{index}"));

            granted(&throttle, asker.clone()).await;

            assert_eq!(denied(&throttle, asker).await, expected);
        }
    });
}

#[test]
fn a_day_of_sends_as_fast_as_allowed_is_ten() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, WIDE));
        let (start, mut sends) = (rig.clock.now_ms(), Vec::new());

        while rig.clock.now_ms() < start + DAY {
            let grant = granted(&throttle, number("number")).await;
            sends.push(grant.at_ms - start);
            rig.pass(grant.next_ms - rig.clock.now_ms());
        }

        let minutes = [0, 1, 2, 3, 4, 60, 61, 62, 63, 64];
        assert_eq!(sends, minutes.map(|minute| minute * MINUTE));
        assert_eq!(rig.clock.now_ms(), start + DAY);
    });
}

#[test]
fn a_grant_says_when_the_number_may_be_sent_to_again() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(DAY, 20)]));
        let start = rig.clock.now_ms();

        let offsets: Vec<i64> = (0..5).map(|minute| minute * MINUTE).collect();
        let grants = send_at(rig, &throttle, &number_at("number", "ip"), &offsets).await;

        // The fifth fills the hour, which opens when the first one leaves. The address has no say in it.
        let next: Vec<i64> = grants.iter().map(|grant| grant.next_ms - start).collect();
        assert_eq!(next, [MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE, HOUR]);
        rig.pass(HOUR - 4 * MINUTE - 1);
        assert_eq!(denied(&throttle, number("number")).await, (Number, 1));
    });
}

#[test]
fn a_grant_that_leaves_room_may_be_followed_at_once() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 3)], WIDE));

        let grants = send_at(rig, &throttle, &number("number"), &[0, 0, 0]).await;

        let waits: Vec<i64> = grants.iter().map(|grant| grant.next_ms - grant.at_ms).collect();
        assert_eq!(waits, [0, 0, MINUTE]);
    });
}

#[test]
fn a_denied_send_takes_no_slot_of_any_window() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 2)]));

        // Denied by the number's gap, again and again: the hour and the address count none of it.
        granted(&throttle, number_at("a", "ip-1")).await;
        for _ in 0..20 {
            assert_eq!(denied(&throttle, number_at("a", "ip-1")).await, (Cooldown, MINUTE));
            assert_eq!(denied(&throttle, number_at("a", "ip-2")).await, (Cooldown, MINUTE));
        }
        granted(&throttle, number_at("b", "ip-1")).await;
        granted(&throttle, number_at("c", "ip-2")).await;
        granted(&throttle, number_at("d", "ip-2")).await;

        // Denied by the address: the number is untouched.
        for _ in 0..20 {
            assert_eq!(denied(&throttle, number_at("e", "ip-1")).await, (Ip, HOUR));
        }
        let grant = granted(&throttle, number_at("e", "ip-3")).await;
        assert_eq!(grant.next_ms, grant.at_ms + MINUTE);
    });
}

#[test]
fn sends_under_an_older_key_still_count_and_new_ones_are_written_under_the_first() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(HOUR, 3)], &[(HOUR, 1)]));
        send_at(rig, &throttle, &rotated(&["old"]), &[0, SECOND]).await;

        rig.pass(SECOND);
        let third = granted(&throttle, rotated(&["new", "old"])).await;

        assert_eq!(third.next_ms, third.at_ms + HOUR - 2 * SECOND);
        assert_eq!(denied(&throttle, rotated(&["new", "old"])).await, (Number, HOUR - 2 * SECOND));
        assert_eq!(denied(&throttle, rotated(&["old", "new"])).await, (Number, HOUR - 2 * SECOND));
        // The first holds one, the older one two.
        send_at(rig, &throttle, &rotated(&["new"]), &[0, 0]).await;
        assert_eq!(denied(&throttle, rotated(&["new"])).await, (Number, HOUR));
        send_at(rig, &throttle, &rotated(&["old"]), &[0]).await;
        assert_eq!(denied(&throttle, rotated(&["old"])).await, (Number, HOUR - 2 * SECOND));
    });
}

#[test]
fn an_address_under_an_older_key_still_counts() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1)], &[(HOUR, 1)]));
        granted(&throttle, number_at("a", "old-ip")).await;

        let mut asker = number_at("b", "new-ip");
        asker.ip.push("old-ip".into());

        assert_eq!(denied(&throttle, asker).await, (Ip, HOUR));
    });
}

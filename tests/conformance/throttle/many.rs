//! Many at the same moment.

use postrider_core::throttle::{Asker, Decision, Throttle};

use super::{DEFAULT, HOUR, MINUTE, granted, limits, number, number_at};
use crate::rig::{at_once, on_both};

async fn grants_of(throttle: &Throttle, askers: impl Fn(usize) -> Asker) -> usize {
    let decisions = at_once(100, |index| {
        let (throttle, asker) = (throttle.clone(), askers(index));
        async move { throttle.acquire(asker).await.unwrap() }
    })
    .await;
    decisions.iter().filter(|decision| matches!(decision, Decision::Granted(_))).count()
}

#[test]
fn of_a_hundred_at_once_for_one_number_one_is_granted() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 1000)]));

        assert_eq!(grants_of(&throttle, |index| number_at("number", &format!("ip-{index}"))).await, 1);

        // The 99 have taken nothing.
        for minute in 1..5 {
            rig.pass(MINUTE);
            assert_eq!(grants_of(&throttle, |_| number("number")).await, 1, "minute {minute}");
        }
        rig.pass(MINUTE);
        assert_eq!(grants_of(&throttle, |_| number("number")).await, 0);
    });
}

#[test]
fn of_a_hundred_numbers_at_once_an_address_gets_its_maximum() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 30)]));

        assert_eq!(grants_of(&throttle, |index| number_at(&format!("number-{index}"), "ip")).await, 30);
    });
}

#[test]
fn of_a_hundred_numbers_at_once_all_are_granted() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&DEFAULT, &[(HOUR, 1)]));
        let at = |index: usize| number_at(&format!("number-{index}"), &format!("ip-{index}"));

        assert_eq!(grants_of(&throttle, at).await, 100);
    });
}

#[test]
fn of_a_hundred_releases_of_one_grant_at_once_one_gives_back() {
    on_both(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 100)], &[(HOUR, 1000)]));
        let grant = granted(&throttle, number_at("number", "ip")).await;

        let released = at_once(100, |_| {
            let (throttle, grant) = (throttle.clone(), grant.clone());
            async move { throttle.release(&grant).await.unwrap() }
        })
        .await;

        assert_eq!(released.iter().filter(|released| **released).count(), 1);
    });
}

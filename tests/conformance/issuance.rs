//! Slot and code in one step: both, or neither.

use deadpool_redis::redis::cmd;
use postrider_core::codes::NewCode;
use postrider_core::throttle::Decision;
use postrider_core::verification::VerificationId;
use postrider_tests::stores::IssueStores;

use crate::codes::new_code;
use crate::rig::{at_once, on_both, on_redis};
use crate::throttle::{DAY, HOUR, MINUTE, limits, number, number_at};

fn is_granted(decision: &Decision) -> bool {
    matches!(decision, Decision::Granted(_))
}

#[test]
fn a_denied_code_was_never_issued_and_the_one_before_stays_the_newest() {
    on_both(async |rig| {
        let IssueStores { issuance, codes, .. } = rig.stores(&limits(&[(MINUTE, 1)], &[(HOUR, 1)]));
        let (first, second, third) = (new_code(), new_code(), new_code());

        assert!(is_granted(&issuance.issue(number_at("a", "ip"), &first).await.unwrap()));
        assert!(!is_granted(&issuance.issue(number_at("a", "other"), &second).await.unwrap()));
        assert!(!is_granted(&issuance.issue(number_at("b", "ip"), &third).await.unwrap()));

        assert_eq!(codes.latest(&[first.latest]).await.unwrap(), Some(first.id));
        for denied in [second, third] {
            assert_eq!(codes.get(&denied.id, &denied.app).await.unwrap(), None);
        }
    });
}

#[test]
fn of_a_hundred_at_once_for_one_number_one_code_is_kept() {
    on_both(async |rig| {
        let IssueStores { issuance, codes, .. } = rig.stores(&limits(&[(MINUTE, 1), (DAY, 10)], &[]));
        let asked: Vec<NewCode> = (0..100).map(|_| new_code()).collect();

        let granted = at_once(100, |index| {
            let (issuance, code) = (issuance.clone(), asked[index].clone());
            async move { is_granted(&issuance.issue(number("number"), &code).await.unwrap()) }
        });
        let granted = granted.await.into_iter().filter(|granted| *granted).count();

        let mut kept: Vec<VerificationId> = Vec::new();
        for code in &asked {
            kept.extend(codes.get(&code.id, &code.app).await.unwrap().map(|view| view.id));
        }
        assert_eq!((granted, kept.len()), (1, 1));
        assert_eq!(codes.latest(&[asked[0].latest.clone()]).await.unwrap(), kept.pop());
    });
}

#[test]
fn nothing_is_kept_where_a_later_version_has_written_the_sends() {
    on_redis(async |rig| {
        let IssueStores { issuance, codes, .. } = rig.stores(&limits(&[(MINUTE, 1)], &[(HOUR, 5)]));
        let key = format!("{}:throttle:ip", rig.under().1);
        cmd("SET").arg(&key).arg("\u{2}later").exec_async(&mut rig.connection().await).await.unwrap();
        let code = new_code();

        let error = issuance.issue(number_at("number", "ip"), &code).await.unwrap_err();

        assert!(error.to_string().contains("newer version"), "{error}");
        assert_eq!(codes.get(&code.id, &code.app).await.unwrap(), None);
        assert_eq!(rig.keys().await, [key]);
    });
}

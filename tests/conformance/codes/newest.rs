//! The newest verification of a number and purpose, for checks that know no id.

use postrider_core::codes::{Codes, NewCode};
use postrider_core::verification::VerificationId;
use postrider_tests::stores::Issuer;

use super::{TTL, approved, issued, new_code};
use crate::rig::on_both;

async fn issued_as(codes: &Issuer, latest: &str) -> NewCode {
    let code = NewCode { latest: latest.into(), ..new_code() };
    codes.issue(&code).await.unwrap();
    code
}

async fn newest(codes: &Codes, hashes: &[&str]) -> Option<VerificationId> {
    let hashes: Vec<String> = hashes.iter().map(|hash| (*hash).to_owned()).collect();
    codes.latest(&hashes).await.unwrap()
}

#[test]
fn the_newest_is_the_one_issued_last_for_the_same_number_and_purpose() {
    on_both(async |rig| {
        let codes = rig.codes();
        issued_as(&codes, "a").await;
        let second = issued_as(&codes, "a").await;
        let other = issued_as(&codes, "b").await;

        assert_eq!(newest(&codes, &["a"]).await, Some(second.id));
        assert_eq!(newest(&codes, &["b"]).await, Some(other.id));
        assert_eq!(newest(&codes, &["c"]).await, None);
        assert_eq!(newest(&codes, &[]).await, None);
    });
}

#[test]
fn the_older_code_still_passes_by_its_id() {
    on_both(async |rig| {
        let codes = rig.codes();
        let (first, second) = (issued(&codes).await, issued(&codes).await);

        assert!(approved(&codes, &first).await);
        assert!(approved(&codes, &second).await);

        assert_eq!(newest(&codes, &["latest"]).await, Some(second.id));
    });
}

#[test]
fn after_a_withdrawal_the_one_before_is_the_newest_again() {
    on_both(async |rig| {
        let codes = rig.codes();
        let first = issued(&codes).await;
        let second = issued(&codes).await;
        let third = issued(&codes).await;

        codes.withdraw(&third).await.unwrap();
        assert_eq!(newest(&codes, &["latest"]).await, Some(second.id.clone()));
        codes.withdraw(&second).await.unwrap();
        assert_eq!(newest(&codes, &["latest"]).await, Some(first.id.clone()));
        assert!(approved(&codes, &first).await);
        codes.withdraw(&first).await.unwrap();
        assert_eq!(newest(&codes, &["latest"]).await, None);
    });
}

#[test]
fn withdrawing_an_earlier_code_leaves_the_newest() {
    on_both(async |rig| {
        let codes = rig.codes();
        let (first, second) = (issued(&codes).await, issued(&codes).await);

        codes.withdraw(&first).await.unwrap();

        assert_eq!(newest(&codes, &["latest"]).await, Some(second.id));
    });
}

#[test]
fn withdrawing_twice_does_not_hide_a_newer_code() {
    on_both(async |rig| {
        let codes = rig.codes();
        let first = issued(&codes).await;
        codes.withdraw(&first).await.unwrap();
        let second = issued(&codes).await;

        codes.withdraw(&first).await.unwrap();

        assert_eq!(newest(&codes, &["latest"]).await, Some(second.id));
    });
}

#[test]
fn codes_that_are_withdrawn_in_the_order_of_their_issue_leave_nothing_to_check() {
    on_both(async |rig| {
        let codes = rig.codes();
        let (first, second) = (issued(&codes).await, issued(&codes).await);

        for code in [&first, &second, &first] {
            codes.withdraw(code).await.unwrap();
        }

        // The first one may still be named, and is not there.
        if let Some(id) = newest(&codes, &["latest"]).await {
            assert_eq!(codes.get(&id, &first.app).await.unwrap(), None);
        }
        let third = issued(&codes).await;
        assert_eq!(newest(&codes, &["latest"]).await, Some(third.id));
    });
}

#[test]
fn the_newest_is_found_under_whichever_key_it_was_written() {
    on_both(async |rig| {
        let codes = rig.codes();
        let old = issued_as(&codes, "old").await;
        assert_eq!(newest(&codes, &["new", "old"]).await, Some(old.id.clone()));

        let new = issued_as(&codes, "new").await;
        assert_eq!(newest(&codes, &["new", "old"]).await, Some(new.id.clone()));

        codes.withdraw(&new).await.unwrap();
        assert_eq!(newest(&codes, &["new", "old"]).await, Some(old.id));
    });
}

#[test]
fn a_newest_that_ran_out_is_still_named() {
    on_both(async |rig| {
        let codes = rig.codes();
        let code = issued(&codes).await;

        rig.pass(TTL);

        // So that a late guess is told that the code ran out, and not that there never was one.
        assert_eq!(newest(&codes, &["latest"]).await, Some(code.id));
    });
}

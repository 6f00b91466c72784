//! Which numbers get codes: by the app's region, the numbering plan, and the operator's ranges.

use postrider_tests::{
    api::{ApiSetup, SECRET_KEY},
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, assert_problem, check_number, discard, hash, post_as};

/// An app with a key, in a region or in none.
fn app(name: &str, key: &str, region: Option<&str>) -> String {
    let hash = hash(key);
    let region = region.map(|region| format!("default_region = {region:?}")).unwrap_or_default();
    format!("name = {name:?}\nsecret_key_hashes = [{hash:?}]\n{region}")
}

#[tokio::test]
async fn national_numbers_are_read_in_the_apps_region_and_refused_without_one() {
    let setup = Setup::new("regions");
    let api = ApiSetup::new(&setup)
        .app(&app("nowhere", "prk_nowhere", None))
        .app(&app("london", "prk_london", Some("GB")))
        .start()
        .await
        .with_key(None);
    let create = async |key: &str, to: &str| {
        post_as(&api, key, "/v1/verifications", &json!({"to": to, "purpose": "login"})).await
    };

    for (key, to, masked) in [
        (SECRET_KEY, "13800138000", "+86138****8000"),
        ("prk_london", "07911 123456", "+4479****3456"),
        ("prk_london", "+8613800138001", "+86138****8001"),
        ("prk_nowhere", "0086 138 0013 8002", "+86138****8002"),
    ] {
        let created = create(key, to).await;
        assert_eq!((created.status, created.text_of("to")), (201, masked), "{key} {to}: {}", created.text);
    }
    for (key, to) in [
        ("prk_nowhere", "13800138003"),
        ("prk_nowhere", "8613800138003"),
        ("prk_london", "13800138003"),
        (SECRET_KEY, "07911 123456"),
    ] {
        let refused = create(key, to).await;
        assert_problem(to, &refused, 422, "invalid_phone_number");
        assert_eq!(refused.text_of("sent"), "no");
        let body = json!({"to": to, "code": "123456"});
        let unchecked = post_as(&api, key, "/v1/checks", &body).await;
        assert_problem(to, &unchecked, 422, "invalid_phone_number");
    }
    api.finish().await;
    assert_eq!(discard(&setup).await, 4);
}

#[tokio::test]
async fn an_operator_denies_and_adds_ranges() {
    let setup = Setup::new("ranges");
    let api = ApiSetup::new(&setup)
        .set("phone.denied_ranges", r#"["+86170", "+86171"]"#)
        .set("phone.extra_ranges", r#"["+442079"]"#)
        .start()
        .await;

    for to in ["17012345678", "+86 171 1234 5678", "0086-170-1234-5678"] {
        let denied = api.create(to).await;
        assert_problem(to, &denied, 403, "destination_not_allowed");
        assert_eq!(denied.text_of("sent"), "no");
        assert_problem(to, &check_number(&api, to, "123456").await, 403, "destination_not_allowed");
    }
    let added = api.create("+442079460000").await;
    let landline = api.create("+442089460000").await;

    assert_eq!(added.status, 201, "{}", added.text);
    assert_problem("a landline", &landline, 422, "invalid_phone_number");
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn a_possible_number_is_enough_when_the_configuration_says_so() {
    let setup = Setup::new("possible");
    let api = ApiSetup::new(&setup).text("phone.check", "possible").start().await;

    let landline = api.create("+442079460000").await;
    let long = api.create("+4420794600001").await;
    // The ranges of mainland China grow faster than any metadata: 1, 3 to 9, nine digits.
    let new_range = api.create("19912345678").await;
    let mainland_landline = api.create("+861012345678").await;

    assert_eq!([landline.status, new_range.status], [201; 2], "{}", landline.text);
    assert_problem("a digit too many", &long, 422, "invalid_phone_number");
    assert_problem("a landline in China", &mainland_landline, 422, "invalid_phone_number");
    assert_eq!(api.create(NUMBER).await.status, 201);
    api.finish().await;
    assert_eq!(discard(&setup).await, 3);
}

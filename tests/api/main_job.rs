//! The main job: a code is asked for, sent through a worker, and checked by its id.

use std::time::Duration;

use jiff::Timestamp;
use postrider_core::verification::{DeliveryState, VerificationId};
use postrider_tests::{
    api::{Answer, ApiSetup},
    provider::Provider,
    servers::eventually,
    worker::Setup,
};
use serde_json::{Value, json};

use super::{NUMBER, SOON, assert_problem, check_number, create_for, discard, look, wrong};

fn instant(answer: &Answer, field: &str) -> Timestamp {
    answer.text_of(field).parse().unwrap_or_else(|_| panic!("{field} is no instant: {}", answer.text))
}

/// The names of the fields, sorted.
fn fields(answer: &Answer) -> Vec<&str> {
    let mut names: Vec<&str> =
        answer.body.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_code_that_is_asked_for_is_sent_and_checks_out_once() {
    let provider = Provider::start().await;
    let setup = Setup::new("main-job").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).start().await;

    let created = create_for(&api, NUMBER, "203.0.113.7").await;
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    let id = created.id().to_owned();
    let sent = eventually(SOON, async || look(&api, &id).await.body["delivery"]["state"] == "sent").await;

    assert_eq!(created.status, 201, "{}", created.text);
    assert!(sent, "{}", look(&api, &id).await.text);
    assert_eq!(provider.requests()[0].to, NUMBER);
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    for left in [4, 3] {
        let refused = api.check(&id, &wrong(&code, left)).await;
        assert_problem("a wrong code", &refused, 422, "code_incorrect");
        assert_eq!(refused.body["checks_left"], left, "{}", refused.text);
    }
    let approved = api.check(&id, &code).await;
    assert_eq!((approved.status, approved.text_of("status")), (200, "approved"), "{}", approved.text);
    assert_eq!((approved.id(), &approved.body["checks_left"]), (&*id, &json!(2)), "{}", approved.text);
    assert!(instant(&approved, "approved_at") >= instant(&approved, "created_at"), "{}", approved.text);
    for guess in [&code, &wrong(&code, 1)] {
        assert_problem("a used code", &api.check(&id, guess).await, 410, "verification_consumed");
    }
    assert_eq!(look(&api, &id).await.text_of("status"), "approved");
    assert_eq!(provider.requests().len(), 1);
    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_created_verification_has_all_its_fields_and_a_masked_number() {
    let setup = Setup::new("fields");
    let api = ApiSetup::new(&setup).start().await;

    let created = api.create(NUMBER).await;

    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.headers["location"], format!("/v1/verifications/{}", created.id()));
    assert_eq!(created.headers["content-type"], "application/json");
    assert_eq!(created.headers["cache-control"], "no-store");
    assert!(created.id().parse::<VerificationId>().is_ok(), "{}", created.text);
    let expected =
        ["checks_left", "created_at", "delivery", "expires_at", "id", "purpose", "resend_at", "status", "to"];
    assert_eq!(fields(&created), expected);
    assert_eq!((created.text_of("status"), created.text_of("purpose")), ("pending", "login"));
    assert_eq!(created.text_of("to"), "+86138****8000");
    assert_eq!(
        (&created.body["checks_left"], &created.body["delivery"]),
        (&json!(5), &json!({"state": "queued"}))
    );
    let [begun, resend, end] =
        ["created_at", "resend_at", "expires_at"].map(|field| instant(&created, field));
    let lasts = |until: Timestamp| Duration::try_from(until.duration_since(begun)).unwrap();
    assert_eq!((lasts(resend), lasts(end)), (Duration::from_mins(1), Duration::from_mins(5)));
    // The same, once more, where it says that it is.
    let found = api.get(&created.headers["location"]).await;
    assert_eq!((found.status, found.body), (200, created.body));
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn a_purpose_need_not_be_given() {
    let setup = Setup::new("purpose");
    let api = ApiSetup::new(&setup).start().await;

    let created = api.post("/v1/verifications", &json!({"to": NUMBER, "purpose": null})).await;

    assert_eq!((created.status, created.text_of("purpose")), (201, "default"), "{}", created.text);
    // A code for one purpose does not pass for another.
    assert_problem(
        "another purpose",
        &check_number(&api, NUMBER, "000000").await,
        404,
        "verification_not_found",
    );
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn looking_at_a_verification_costs_no_guess() {
    let setup = Setup::new("look");
    let api = ApiSetup::new(&setup).start().await;
    let id = api.create(NUMBER).await.id().to_owned();

    for _ in 0..20 {
        let seen = look(&api, &id).await;
        assert_eq!((seen.status, seen.text_of("status")), (200, "pending"), "{}", seen.text);
        assert_eq!(seen.body["checks_left"], 5, "{}", seen.text);
    }

    let head = api.request("HEAD", &format!("/v1/verifications/{id}"), |request| request).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn what_became_of_the_sms_is_shown() {
    let setup = Setup::new("became");
    let api = ApiSetup::new(&setup).start().await;
    let created = api.create(NUMBER).await;
    let id: VerificationId = created.id().parse().unwrap();
    let codes = setup.codes();

    // Nothing replaces `sent`.
    for (told, shown) in [
        (DeliveryState::Unknown, "unknown"),
        (DeliveryState::Failed, "failed"),
        (DeliveryState::Expired, "expired"),
        (DeliveryState::Sent, "sent"),
        (DeliveryState::Unknown, "sent"),
    ] {
        assert!(codes.delivery(&id, told).await.unwrap());
        let seen = look(&api, created.id()).await;
        assert_eq!(seen.body["delivery"], json!({"state": shown}), "{}", seen.text);
    }
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn an_id_of_nothing_is_not_found() {
    let setup = Setup::new("unknown-id");
    let api = ApiSetup::new(&setup).start().await;
    let unknown = VerificationId::random().to_string();
    let upper = unknown.to_uppercase();
    let ids = [
        unknown.as_str(),
        &upper,
        "vrf_",
        "vrf_123",
        "13800138000",
        "vrf_00000000-0000-0000-0000-000000000000",
        "%00",
        "vrf_%EF%BC%91",
        "*",
    ];

    for id in ids {
        assert_problem(id, &look(&api, id).await, 404, "verification_not_found");
        let checked = api.check(id, "123456").await;
        assert_problem(id, &checked, 404, "verification_not_found");
        assert_eq!(checked.body["sent"], Value::Null, "a check never sends");
        assert!(!checked.text.contains("13800138000"), "{}", checked.text);
    }
    let nobody = check_number(&api, NUMBER, "123456").await;
    assert_problem("a number without a code", &nobody, 404, "verification_not_found");
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}

#[tokio::test]
async fn a_code_that_has_run_out_is_gone() {
    let setup = Setup::new("expired");
    let api = ApiSetup::new(&setup).start().await;
    let expired = setup.issue(NUMBER, "123456", Duration::ZERO).await.id.to_string();

    for code in ["123456", "654321"] {
        assert_problem(code, &api.check(&expired, code).await, 410, "verification_expired");
    }

    let seen = look(&api, &expired).await;
    assert_eq!((seen.status, seen.text_of("status")), (200, "expired"), "{}", seen.text);
    assert_eq!(seen.body["checks_left"], 5, "an expired code costs no guess: {}", seen.text);
    api.finish().await;
    discard(&setup).await;
}

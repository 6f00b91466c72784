//! `POST /v1/checks`, for callers that kept no id: the newest code of a number and purpose counts.

use postrider_tests::{
    api::{Api, ApiSetup},
    provider::Provider,
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, SOON, assert_problem, check_number, look, wrong};

/// Without the gap of a minute.
const NO_GAP: &str = r#"[{ window = "1h", max = 100 }]"#;

/// Asks for a code; returns the verification's id and what was sent as the SMS of that place.
async fn sent(api: &Api, provider: &Provider, to: &str, place: usize) -> (String, String) {
    let created = api.create(to).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let code = provider.wait_for(place, SOON).await[place - 1].code.clone();
    (created.id().to_owned(), code)
}

#[tokio::test]
async fn a_caller_that_kept_no_id_checks_by_the_number_however_it_is_written() {
    let provider = Provider::start().await;
    let setup = Setup::new("no-id").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).start().await;
    let (id, code) = sent(&api, &provider, NUMBER, 1).await;

    let refused = check_number(&api, "138-0013-8000", &wrong(&code, 1)).await;
    assert_problem("a wrong code", &refused, 422, "code_incorrect");
    assert_eq!(refused.body["checks_left"], 4);
    for (to, purpose) in [(NUMBER, "reset"), ("+8613800138001", "login")] {
        let other = json!({"to": to, "purpose": purpose, "code": code});
        assert_problem(purpose, &api.post("/v1/checks", &other).await, 404, "verification_not_found");
    }
    let approved = check_number(&api, "0086 138 0013 8000", &code).await;

    assert_eq!((approved.status, approved.text_of("status")), (200, "approved"), "{}", approved.text);
    assert_eq!(approved.id(), id);
    assert_problem("again", &check_number(&api, NUMBER, &code).await, 410, "verification_consumed");
    assert_problem("again by id", &api.check(&id, &code).await, 410, "verification_consumed");
    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn the_newest_code_counts_and_the_earlier_one_checks_by_its_id() {
    let provider = Provider::start().await;
    let setup = Setup::new("newest").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).set("throttle.number", NO_GAP).start().await;
    let (first, first_code) = sent(&api, &provider, NUMBER, 1).await;
    let (second, second_code) = sent(&api, &provider, NUMBER, 2).await;

    // Two codes are equal once in a million.
    if first_code != second_code {
        let old = check_number(&api, NUMBER, &first_code).await;
        assert_problem("the earlier code", &old, 422, "code_incorrect");
    }
    let new = check_number(&api, NUMBER, &second_code).await;

    assert_eq!((new.status, new.id()), (200, &*second), "{}", new.text);
    assert_eq!(look(&api, &first).await.body["checks_left"], 5, "the guess was at the newest");
    assert_eq!(api.check(&first, &first_code).await.status, 200);
    api.finish().await;
    setup.finish(worker).await;
}

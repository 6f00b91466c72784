//! How often one number is sent a code, whoever asks, wherever, and however the number is written.

use futures::future::join_all;
use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    provider::Provider,
    worker::Setup,
};

use super::{NUMBER, SOON, assert_limited, discard, redis_content};

/// One number.
const SPELLINGS: [&str; 3] = ["13800138000", "+8613800138000", "0086 138-0013-8000"];

/// Asks a hundred times at once, of the apis and in the spellings in turn.
async fn ask_a_hundred_times(apis: &[&Api], spellings: &[&str]) -> Vec<Answer> {
    let ask = |turn: usize| apis[turn % apis.len()].create(spellings[turn % spellings.len()]);
    join_all((0..100).map(ask)).await
}

/// Checks that one was granted, that the others were told to wait, and that one SMS was sent.
async fn assert_one_is_sent(answers: &[Answer], provider: &Provider) {
    let (created, denied): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((created.len(), denied.len()), (1, 99));
    for answer in denied {
        assert_limited("one of a hundred", answer, "cooldown_active", 60);
    }
    assert_eq!(provider.wait_for(1, SOON).await[0].to, NUMBER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_at_once_for_one_number_send_one_sms() {
    let provider = Provider::start().await;
    let setup = Setup::new("one-number").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).start().await;

    let answers = ask_a_hundred_times(&[&api], &[NUMBER]).await;

    assert_one_is_sent(&answers, &provider).await;
    api.finish().await;
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apis_and_three_spellings_of_the_number_make_no_second_sms() {
    let provider = Provider::start().await;
    let setup = Setup::new("two-apis").provider(&provider);
    let worker = setup.start().await;
    let (one, two) = (ApiSetup::new(&setup).start().await, ApiSetup::new(&setup).start().await);

    let answers = ask_a_hundred_times(&[&one, &two], &SPELLINGS).await;

    assert_one_is_sent(&answers, &provider).await;
    one.finish().await;
    two.finish().await;
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn each_window_holds_and_a_denied_request_makes_none_longer() {
    let setup = Setup::new("windows");
    let windows = r#"[{ window = "1h", max = 3 }, { window = "24h", max = 4 }]"#;
    let api = ApiSetup::new(&setup).set("throttle.number", windows).start().await;
    for to in [SPELLINGS[0], SPELLINGS[1], SPELLINGS[2]] {
        let created = api.create(to).await;
        assert_eq!(created.status, 201, "{}", created.text);
    }
    let before = redis_content(&setup).await;

    let denied = [api.create(NUMBER).await, api.create(NUMBER).await, api.create(NUMBER).await];

    for answer in &denied {
        assert_limited("the fourth in an hour", answer, "send_limit_reached", 3600);
        assert!(answer.body["retry_after"].as_u64() >= Some(3500), "{}", answer.text);
    }
    assert_eq!(redis_content(&setup).await, before, "a denied request writes nothing");
    let other = api.create("+8613800138001").await;
    assert_eq!(other.status, 201, "another number has windows of its own: {}", other.text);
    api.finish().await;
    assert_eq!(discard(&setup).await, 4);
}

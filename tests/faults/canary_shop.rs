//! The same for the shop's routes: also what a picture shows, and what a person has typed for it, is nowhere. Where an
//! operator asks for Django's keys, these two by name hold number and code, and nothing else does.

use postrider_tests::{
    api::{Api, ApiSetup},
    provider::Provider,
    servers::{RabbitMq, Redis},
    worker::{PATIENCE, Setup},
};
use serde_json::json;
use uuid::Uuid;

use super::canary::{NATIONAL, NUMBER, assert_clean, redis_content, talk};

/// What a person has typed for a picture, and no picture shows.
const TYPED: &str = "LOQ5Z";

/// Provokes answers whose texts might quote what was sent.
async fn refusals(api: &Api, waiting: Uuid, shown: &str, code: &str) -> String {
    let mut texts = Vec::new();
    for path in [
        format!("/sms_codes/{NATIONAL}/"),
        format!("/sms_codes/{NATIONAL}9/?uuid={waiting}&image_code={shown}"),
        format!("/sms_codes/{NATIONAL}/?uuid={shown}&image_code={shown}"),
        format!("/sms_codes/{NATIONAL}/?uuid={NATIONAL}&image_code={code}"),
        format!("/sms_codes/{shown}/?uuid={waiting}&image_code={NATIONAL}"),
        format!("/image_codes/{NATIONAL}/"),
        format!("/image_codes/{shown}/audio/"),
        format!("/{NATIONAL}/{code}/{shown}"),
    ] {
        texts.push(api.get(&path).await.text);
        texts.push(api.request("HEAD", &path, |request| request).await.text);
    }
    let check = format!("/sms_codes/{NATIONAL}/check/");
    for body in [json!({"sms_code": format!("{code}0")}), json!({"sms_code": NATIONAL}), json!({shown: code})]
    {
        texts.push(api.post(&check, &body).await.text);
    }
    texts.push(api.check_sms_code(NATIONAL, &code.chars().rev().collect::<String>()).await.text);
    texts.join("\n")
}

/// `django` writes Django's keys into the database of all others.
async fn live_verification(django: bool) {
    let (rabbitmq, redis, provider) = tokio::join!(RabbitMq::start(), Redis::start(), Provider::start());
    let metrics = format!("127.0.0.1:{}", postrider_tests::servers::free_port());
    let setup = Setup::new("canary-shop")
        .broker(&rabbitmq.url())
        .redis(&redis.url())
        .provider(&provider)
        .text("metrics.listen", &metrics)
        .text("log.level", "trace");
    let api = ApiSetup::new(&setup).shop().text("log.level", "trace");
    let api = if django { api.text("shop.django_redis_url", &redis.url()) } else { api };
    let (api, worker) = (api.start().await, setup.start().await);

    let (wrong, misread) = setup.picture(&api).await;
    assert_eq!(api.send_sms_code(NATIONAL, wrong, TYPED).await.retcode(), "4001");
    let (right, answered) = setup.picture(&api).await;
    let sent = api.send_sms_code(NATIONAL, right, &answered).await;
    assert_eq!(sent.retcode(), "0");
    let code = provider.wait_for(1, PATIENCE).await[0].code.clone();
    let (waiting, shown) = setup.picture(&api).await;
    assert_eq!(api.get(&format!("/image_codes/{waiting}/audio/")).await.status, 200);
    let refused = refusals(&api, waiting, &shown, &code).await;

    let (mut kept, mut exempt) = (redis_content(&setup.redis_url).await, Vec::new());
    if django {
        exempt = vec![format!("send_flag_{NATIONAL} 1"), format!("sms_{NATIONAL} {code}")];
        let lines = kept.lines().filter(|line| !exempt.iter().any(|known| known == line));
        kept = lines.collect::<Vec<_>>().join("\n");
    }
    let whole = redis_content(&setup.redis_url).await;
    assert!(exempt.iter().all(|line| whole.lines().any(|known| known == line)), "{whole}");
    for (place, text) in [
        ("Redis", kept),
        ("a log or metric", talk(&api, &worker, &metrics).await),
        ("an answer", format!("{}{refused}", sent.text)),
    ] {
        assert_clean(place, &text, &code);
        for secret in [misread.as_str(), &answered, &shown, TYPED] {
            assert!(!text.contains(secret), "{place} holds the text {secret} of a picture:\n{text}");
        }
    }
    assert_eq!(api.check_sms_code(NUMBER, &code).await.retcode(), "0");
    setup.finish(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_log_line_metric_or_answer_holds_the_code_the_number_or_the_text_of_a_picture() {
    live_verification(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_djangos_keys_these_two_alone_hold_them() {
    live_verification(true).await;
}

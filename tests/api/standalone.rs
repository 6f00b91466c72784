//! `postrider`: the main job in one process, with nothing around it.

use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    servers::{Proc, eventually},
    worker::{Output, PATIENCE, Setup, ended},
};
use serde_json::json;

use super::{NUMBER, SOON, assert_limited, assert_problem, check_number, discard, look, wrong};

const NO_ENV: [(&str, &str); 0] = [];

pub(super) async fn standalone() -> Api {
    let process = Proc::start("postrider", ["--listen", "127.0.0.1:0"], NO_ENV);
    Api::of(process, None).await
}

/// The outbox, once it lists that many SMS.
pub(super) async fn outbox(api: &Api, count: usize) -> Answer {
    let mut listed = None;
    let came = eventually(SOON, async || {
        let answer = api.get("/dev/outbox").await;
        let complete = answer.body.as_array().is_some_and(|sms| sms.len() == count);
        listed = Some(answer);
        complete
    })
    .await;
    let listed = listed.expect("asked at least once");
    assert!(came, "{}", listed.text);
    listed
}

#[tokio::test]
async fn it_prints_a_curl_and_does_the_main_job_without_any_server() {
    let mut api = standalone().await;
    let curl = format!("curl -s http://{}/v1/verifications", api.address);
    api.process.wait_for_line(|line| line.contains(&curl), PATIENCE).await;
    assert!(api.becomes_ready(PATIENCE).await);

    let created = api.create(NUMBER).await;
    let sms = outbox(&api, 1).await.body[0].clone();
    let code = sms["code"].as_str().expect("a text").to_owned();

    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(
        (&sms["to"], &sms["purpose"], &sms["minutes"]),
        (&json!(NUMBER), &json!("login"), &json!(5)),
        "{sms}"
    );
    api.process.wait_for_line(|line| line.contains(&code), PATIENCE).await;
    assert_limited("again", &api.create(NUMBER).await, "cooldown_active", 60);
    let sent =
        eventually(SOON, async || look(&api, created.id()).await.body["delivery"]["state"] == "sent").await;
    assert!(sent, "{}", look(&api, created.id()).await.text);
    let refused = api.check(created.id(), &wrong(&code, 1)).await;
    assert_problem("a wrong code", &refused, 422, "code_incorrect");
    let approved = check_number(&api, NUMBER, &code).await;
    assert_eq!((approved.status, approved.id()), (200, created.id()), "{}", approved.text);
    assert_problem("again", &api.check(created.id(), &code).await, 410, "verification_consumed");
    api.finish().await;
}

#[tokio::test]
async fn the_outbox_lists_the_newest_first() {
    let api = standalone().await;
    assert_eq!(api.get("/dev/outbox").await.text, "[]");

    for (count, to) in [NUMBER, "+8613800138001", "+447911123456"].into_iter().enumerate() {
        assert_eq!(api.create(to).await.status, 201);
        outbox(&api, count + 1).await;
    }

    let listed = outbox(&api, 3).await;
    let numbers: Vec<&str> =
        listed.body.as_array().unwrap().iter().filter_map(|sms| sms["to"].as_str()).collect();
    assert_eq!(numbers, ["+447911123456", "+8613800138001", NUMBER]);
    assert!(listed.body[0]["sent_at"].as_str() >= listed.body[2]["sent_at"].as_str(), "{}", listed.text);
    api.finish().await;
}

#[tokio::test]
async fn the_api_has_no_outbox() {
    let setup = Setup::new("no-outbox");
    let api = ApiSetup::new(&setup).start().await;

    let keyed = api.get("/dev/outbox").await;

    assert_problem("the outbox", &keyed, 404, "not_found");
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let Output { status, text } = ended(Proc::start("postrider", ["--listen", listen], NO_ENV)).await;
        assert_eq!(status.code(), Some(78), "{listen}: {text}");
        assert!(text.contains("listen") && text.contains(listen), "{text}");
        assert!(!text.contains("curl"), "{text}");
    }
}

#[tokio::test]
async fn it_takes_no_configuration_from_the_environment() {
    let env = [("POSTRIDER__CODES__TTL", "nonsense"), ("POSTRIDER__HTTP__LISTEN", "0.0.0.0:80")];
    let api = Api::of(Proc::start("postrider", ["--listen", "127.0.0.1:0"], env), None).await;

    assert_eq!(api.create(NUMBER).await.status, 201);
    api.finish().await;
}

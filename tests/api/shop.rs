//! The shop's routes: the tutorial's flow by HTTP, in one process and on the real servers.

mod django;
mod off;
mod outages;
mod pictures;
mod refusals;

use postrider_tests::{
    api::{Api, ApiSetup},
    provider::Provider,
    worker::{PATIENCE, Setup},
};
use uuid::Uuid;

use super::{
    SOON,
    standalone::{outbox, standalone},
    wrong,
};

/// The number of most tests, as the shop's pages write it.
const MOBILE: &str = "13800138000";

/// A text that no picture shows, in the form of one.
fn misread(shown: &str) -> String {
    shown.chars().rev().map(|letter| if letter == 'A' { 'C' } else { 'A' }).collect()
}

/// The tutorial's flow. `shown` reads a picture, `sms` reads the one SMS.
async fn whole_flow(api: &Api, shown: impl AsyncFn(Uuid) -> String, sms: impl AsyncFn() -> String) {
    let picture = Uuid::new_v4();
    assert_eq!(api.draw(picture).await.status, 200);
    let text = shown(picture).await;

    // A wrong answer uses the picture up.
    assert_eq!(api.send_sms_code(MOBILE, picture, &misread(&text)).await.retcode(), "4001");
    let stale = api.send_sms_code(MOBILE, picture, &text).await;
    assert_eq!((stale.retcode(), stale.text_of("errmsg")), ("4001", "图形验证码已失效"));

    api.draw(picture).await;
    let typed = format!("%20{}%20", shown(picture).await.to_lowercase());
    let sent = api.send_sms_code(MOBILE, picture, &typed).await;
    assert_eq!(sent.text, r#"{"code":"0","errmsg":"发送短信成功"}"#);
    assert_eq!((sent.retcode(), sent.wait()), ("0", 60));
    let code = sms().await;

    // The same number in another form is the same number, and a refusal uses a picture up too.
    api.draw(picture).await;
    let text = shown(picture).await;
    let again = api.send_sms_code("%2B8613800138000", picture, &text).await;
    assert_eq!((again.retcode(), (1..=60).contains(&again.wait())), ("4002", true), "{again:?}");
    assert_eq!(api.send_sms_code(MOBILE, picture, &text).await.retcode(), "4001");

    let incorrect = api.check_sms_code(MOBILE, &wrong(&code, 1)).await;
    assert_eq!((incorrect.retcode(), incorrect.text_of("errmsg")), ("4008", "短信验证码错误，还可以输入4次"));
    let right = api.check_sms_code(MOBILE, &code).await;
    assert_eq!(right.text, r#"{"code":"0","errmsg":"短信验证码正确"}"#);
    let used = api.check_sms_code(MOBILE, &code).await;
    assert_eq!((used.retcode(), used.text_of("errmsg")), ("4008", "短信验证码已使用过，请重新获取"));
}

#[tokio::test]
async fn the_tutorials_flow_in_one_process() {
    let api = standalone().await;

    let shown = async |picture: Uuid| {
        let listed = api.get("/dev/captchas").await;
        assert_eq!(listed.body[0]["uuid"], picture.to_string(), "the newest first: {}", listed.text);
        listed.body[0]["text"].as_str().expect("a text").to_owned()
    };
    let sms = async || outbox(&api, 1).await.body[0]["code"].as_str().expect("a text").to_owned();
    whole_flow(&api, shown, sms).await;

    assert_eq!(api.get("/dev/captchas").await.text, "[]", "what was answered does not wait any more");
    api.finish().await;
}

#[tokio::test]
async fn the_tutorials_flow_on_the_real_servers() {
    let provider = Provider::start().await;
    let setup = Setup::new("shop").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).shop().start().await.with_key(None);

    let shown = async |picture: Uuid| setup.shown(picture).await.expect("it waits");
    let sms = async || provider.wait_for(1, PATIENCE).await[0].code.clone();
    whole_flow(&api, shown, sms).await;

    assert_eq!(provider.texts().len(), 1);
    let metrics = api.get("/metrics").await.text;
    for line in [
        r#"postrider_captchas_total{outcome="captcha_incorrect"} 1"#,
        r#"postrider_captchas_total{outcome="drawn"} 3"#,
        r#"postrider_verifications_total{outcome="created"} 1"#,
        r#"postrider_verifications_total{outcome="cooldown_active"} 1"#,
        r#"postrider_verifications_total{outcome="captcha_expired"} 2"#,
        r#"postrider_checks_total{verdict="approved"} 1"#,
        r#"postrider_http_requests_total{route="/sms_codes/{mobile}/",method="GET",status="200"} 5"#,
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }
    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_shops_backend_checks_with_its_key_what_the_page_has_sent() {
    let provider = Provider::start().await;
    let setup = Setup::new("backend").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).shop().start().await;
    let (picture, text) = setup.picture(&api).await;
    assert_eq!(api.send_sms_code(MOBILE, picture, &text).await.retcode(), "0");
    let code = provider.wait_for(1, SOON).await[0].code.clone();

    let body = serde_json::json!({"to": MOBILE, "code": code});
    let approved = api.post("/v1/checks", &body).await;

    assert_eq!((approved.status, approved.text_of("purpose")), (200, "default"), "{}", approved.text);
    api.finish().await;
    setup.finish(worker).await;
}

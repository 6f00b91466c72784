//! What the shop's routes refuse, in which order, and what a refusal costs.

use futures::future::join_all;
use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    worker::Setup,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{discard, redis_content, wrong},
    MOBILE, misread,
};

/// With a queue in which a test reads the code.
fn clear(setup: &Setup) -> ApiSetup {
    ApiSetup::new(setup).shop().text("queue.payload", "clear")
}

async fn check_json(api: &Api, body: &Value) -> Answer {
    api.post(&format!("/sms_codes/{MOBILE}/check/"), body).await
}

#[tokio::test]
async fn parameters_are_looked_at_before_the_number_the_number_before_the_picture_and_that_before_the_limits()
{
    let setup = Setup::new("order");
    let api = ApiSetup::new(&setup).shop().set("phone.denied_ranges", r#"["+86170"]"#).start().await;
    let (id, text) = setup.picture(&api).await;

    for query in [
        String::new(),
        format!("?uuid={id}"),
        format!("?image_code={text}"),
        format!("?uuid={id}&image_code="),
        format!("?uuid=%20&image_code={text}"),
        format!("?uuid={id}&uuid={id}&image_code={text}"),
    ] {
        for mobile in [MOBILE, "nonsense"] {
            let refused = api.get(&format!("/sms_codes/{mobile}/{query}")).await;
            assert_eq!(refused.retcode(), "4003", "{mobile} {query}: {}", refused.text);
        }
    }
    for mobile in
        ["1380013800", "138001380000", "12800138000", "nonsense", "%EF%BC%91", "17012345678", "+123"]
    {
        assert_eq!(api.send_sms_code(mobile, id, &text).await.retcode(), "4007", "{mobile}");
    }
    assert_eq!(setup.shown(id).await.as_ref(), Some(&text), "nothing of that has used the picture up");
    let no_picture = format!("/sms_codes/{MOBILE}/?uuid=nonsense&image_code={text}");
    assert_eq!(api.get(&no_picture).await.retcode(), "4001");
    assert_eq!(api.send_sms_code(MOBILE, Uuid::new_v4(), &text).await.retcode(), "4001");
    assert_eq!(api.send_sms_code(MOBILE, id, &misread(&text)).await.retcode(), "4001");

    // None of it counts against the number.
    let (id, text) = setup.picture(&api).await;
    let sent = api.get(&format!("/sms_codes/{MOBILE}?image_code={text}&uuid={id}&t=1")).await;
    assert_eq!(sent.retcode(), "0", "{}", sent.text);
    let (id, text) = setup.picture(&api).await;
    assert_eq!(
        api.send_sms_code(MOBILE, id, &misread(&text)).await.retcode(),
        "4001",
        "the picture comes first"
    );
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn any_limit_is_4002_and_says_when() {
    let setup = Setup::new("any-limit");
    let api = ApiSetup::new(&setup)
        .shop()
        .set("throttle.number", r#"[{ window = "1h", max = 2 }]"#)
        .set("throttle.ip", r#"[{ window = "24h", max = 3 }]"#)
        .start()
        .await;
    let send = async |mobile: &str| {
        let (id, text) = setup.picture(&api).await;
        api.send_sms_code(mobile, id, &text).await
    };

    let first = send(MOBILE).await;
    let second = send(MOBILE).await;
    let number = send(MOBILE).await;
    let other = send("13800138001").await;
    let address = send("13800138002").await;

    assert_eq!([first.retcode(), second.retcode(), other.retcode()], ["0"; 3]);
    assert_eq!((first.wait(), (3590..=3600).contains(&second.wait())), (0, true), "{second:?}");
    assert_eq!((number.retcode(), (3590..=3600).contains(&number.wait())), ("4002", true), "{number:?}");
    assert_eq!(
        (address.retcode(), (86_390..=86_400).contains(&address.wait())),
        ("4002", true),
        "{address:?}"
    );
    assert_ne!(number.text, address.text);
    api.finish().await;
    assert_eq!(discard(&setup).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_requests_with_one_picture_one_sends() {
    let setup = Setup::new("hundred");
    let open = r#"[{ window = "1h", max = 1000 }]"#;
    let api =
        ApiSetup::new(&setup).shop().set("throttle.number", open).set("throttle.ip", open).start().await;
    let (id, text) = setup.picture(&api).await;

    let answers = join_all((0..100).map(|index| {
        let (api, mobile, text) = (&api, format!("138001380{index:02}"), text.as_str());
        async move { api.send_sms_code(&mobile, id, text).await }
    }))
    .await;

    let count = |code| answers.iter().filter(|answer| answer.retcode() == code).count();
    assert_eq!((count("0"), count("4001")), (1, 99));
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn a_check_says_what_is_wrong_and_only_a_code_costs_a_guess() {
    let setup = Setup::new("check");
    let api = clear(&setup).set("codes.max_checks", "2").start().await;
    let none = api.check_sms_code(MOBILE, "123456").await;
    assert_eq!((none.retcode(), none.text_of("errmsg")), ("4008", "没有可用的短信验证码，请先获取"));
    let (id, text) = setup.picture(&api).await;
    assert_eq!(api.send_sms_code(MOBILE, id, &text).await.retcode(), "0");
    let code = sms_code(&setup).await;
    let before = redis_content(&setup).await;

    for body in
        [json!({}), json!({"sms_code": null}), json!({"sms_code": " "}), json!({"sms_code": 5}), json!([])]
    {
        assert_eq!(check_json(&api, &body).await.retcode(), "4003", "{body}");
    }
    let path = format!("/sms_codes/{MOBILE}/check/");
    for (kind, body) in [
        ("text/plain", "sms_code=1"),
        ("application/json", "{"),
        ("application/x-www-form-urlencoded", "code=1"),
    ] {
        assert_eq!(api.post_raw(&path, Some(kind), body).await.retcode(), "4003", "{kind}");
    }
    let long = api.post_raw(&path, Some("application/json"), vec![b' '; 20_000]).await;
    assert_eq!((long.retcode(), &*long.headers["connection"]), ("4003", "close"));
    for mobile in ["1380013800", "nonsense"] {
        assert_eq!(api.check_sms_code(mobile, "123456").await.retcode(), "4007", "{mobile}");
    }
    for text in ["12345", "1234567", "abcdef"] {
        assert_eq!(api.check_sms_code(MOBILE, text).await.text_of("errmsg"), "短信验证码应为6位数字");
    }
    assert_eq!(redis_content(&setup).await, before, "nothing of that was a guess");

    let last = [1, 2].map(|step| wrong(&code, step));
    assert!(api.check_sms_code(MOBILE, &last[0]).await.text.contains("还可以输入1次"));
    let exhausted = check_json(&api, &json!({"sms_code": last[1]})).await;
    assert_eq!(
        (exhausted.retcode(), exhausted.text_of("errmsg")),
        ("4008", "短信验证码错误，次数已用完，请重新获取")
    );
    let locked = api.check_sms_code(MOBILE, &code).await;
    assert_eq!((locked.retcode(), locked.text_of("errmsg")), ("4008", "短信验证码输错次数过多，请重新获取"));
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn one_address_that_guesses_too_often_is_told_to_wait() {
    let setup = Setup::new("guesses");
    let api = clear(&setup).set("codes.anonymous_checks", r#"[{ window = "1h", max = 2 }]"#).start().await;
    let (id, text) = setup.picture(&api).await;
    assert_eq!(api.send_sms_code(MOBILE, id, &text).await.retcode(), "0");
    let code = sms_code(&setup).await;

    for step in [1, 2] {
        assert_eq!(api.check_sms_code(MOBILE, &wrong(&code, step)).await.retcode(), "4008");
    }
    let refused = api.check_sms_code(MOBILE, &code).await;

    // Also with the secret key: whoever calls this route is a page.
    assert_eq!((refused.retcode(), (3590..=3600).contains(&refused.wait())), ("4002", true), "{refused:?}");
    api.finish().await;
    discard(&setup).await;
}

/// The code of the one task in a clear queue.
async fn sms_code(setup: &Setup) -> String {
    let waiting = setup.amqp().await.browse(&setup.queue).await;
    assert_eq!(waiting.len(), 1);
    let body: Value = serde_json::from_slice(&waiting[0].body).expect("a clear task is JSON");
    body[0][1].as_str().expect("a text, for its leading zeros").to_owned()
}

//! Whether the shop's routes are there at all, and for whom.

use postrider_tests::{
    api::ApiSetup,
    worker::{Output, Setup},
};
use uuid::Uuid;

use super::{
    super::{assert_problem, discard},
    MOBILE,
};

#[tokio::test]
async fn with_apps_and_none_that_is_the_shops_the_routes_are_not_there() {
    let setup = Setup::new("shop-off");
    let api = ApiSetup::new(&setup).start().await;
    let id = Uuid::new_v4();

    for path in [
        "/".to_owned(),
        format!("/image_codes/{id}/"),
        format!("/image_codes/{id}/audio/"),
        format!("/sms_codes/{MOBILE}/?uuid={id}&image_code=AAAAA"),
        "/dev/captchas".to_owned(),
    ] {
        assert_problem(&path, &api.get(&path).await, 404, "not_found");
    }
    assert_problem("a check", &api.check_sms_code(MOBILE, "123456").await, 404, "not_found");
    let log = api.finish().await;
    assert!(!log.contains("/sms_codes/"), "{log}");
    discard(&setup).await;
}

#[tokio::test]
async fn without_apps_they_are_there_for_this_machine() {
    let setup = Setup::new("shop-open");
    let api = ApiSetup::new(&setup).open().start().await;

    let (picture, text) = setup.picture(&api).await;

    assert_eq!(api.send_sms_code(MOBILE, picture, &text).await.retcode(), "0");
    assert_problem("the standalone's door", &api.get("/dev/captchas").await, 404, "not_found");
    let log = api.finish().await;
    assert!(log.contains("/image_codes/ and /sms_codes/ are on"), "{log}");
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn an_app_that_is_none_is_refused_with_what_to_do() {
    let setup = Setup::new("shop-unknown-app");
    let api = || ApiSetup::new(&setup).text("shop.app", "shopp");

    for (api, told) in [
        (api(), r#"shop.app: "shopp" is none of [[apps]]: use "shop", or leave it empty"#),
        (api().open(), r#"shop.app: "shopp" is none of [[apps]], of which there are none"#),
    ] {
        let Output { status, text } = api.command(&["config", "check"], &[]).await;
        assert_eq!(status.code(), Some(78), "{text}");
        assert!(text.contains(told), "{text}");
    }
}

//! What the page says by itself: what is plainly wrong, and that no answer came.

use postrider_tests::{servers::Redis, worker::Setup};

use super::{NUMBER, page::Page, shop::Shop};

#[tokio::test]
async fn what_is_plainly_wrong_is_said_before_anything_is_asked() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;

    page.press("send").await;
    assert_eq!(page.said("number-error").await, "Enter your phone number.");
    assert_eq!(page.said("captcha-error").await, "Enter the characters in the picture.");
    assert_eq!(page.focus().await, "number");
    for number in ["12345678901", "1380013800", "138001380000", "+1 202 555 0123", "abc"] {
        page.type_into("number", number).await;
        page.press("send").await;
        assert!(page.said("number-error").await.contains("11 digits"), "{number}");
        assert_eq!(page.focus().await, "number");
    }
    page.type_into("number", "0086 138 0013 8000").await;
    for (code, said) in [
        ("", "Enter the code from the SMS."),
        ("12345", "The code has six digits."),
        ("12a456", "The code has six digits."),
    ] {
        page.type_into("code", code).await;
        page.press("check").await;
        assert_eq!((page.said("code-error").await, page.focus().await), (said.into(), "code".into()));
        assert_eq!(page.text("number-error").await, "");
    }

    assert_eq!(page.requests("/sms_codes/").await, 0);
    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_double_click_is_one_request() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;
    page.type_into("number", NUMBER).await;
    page.type_into("captcha", &shop.characters(&page.picture().await).await).await;

    page.browser.run("const send = document.getElementById('send'); send.click(); send.click()").await;
    page.focuses("code").await;
    page.type_into("code", &shop.code(1).await).await;
    page.browser.run("const check = document.getElementById('check'); check.click(); check.click()").await;
    page.focuses("verified-title").await;

    assert_eq!(page.requests("/sms_codes/").await, 2);
    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_service_that_fails_or_is_gone_is_said_above_the_form() {
    let mut redis = Redis::start().await;
    let shop = Shop::on(Setup::new("browser-down").redis(&redis.url())).await;
    let page = Page::open("en", &shop.url()).await;
    page.type_into("number", NUMBER).await;
    page.type_into("captcha", &shop.characters(&page.picture().await).await).await;

    redis.kill();
    page.press("send").await;
    assert!(page.said("message").await.starts_with("The service cannot do this"));
    assert!(page.said("captcha-error").await.contains("then try again with “New picture”"));
    redis.start_again().await;
    page.type_into("code", "123456").await;
    page.press("check").await;
    // A store that has forgotten knows no code for the number.
    assert!(page.said("code-error").await.starts_with("This code is wrong"));
    assert_eq!(page.text("message").await, "");
    page.press("another").await;
    page.picture().await;
    assert_eq!(page.text("captcha-error").await, "");

    shop.finish().await;
    page.press("check").await;
    assert_eq!(page.said("message").await, "No answer came. Check your connection and try again.");
    page.browser.finish().await;
}

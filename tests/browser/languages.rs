//! The reader's language: taken from the browser, changed by hand, kept.

use super::{NUMBER, page::Page, shop::Shop};

#[tokio::test]
async fn a_chinese_browser_is_spoken_to_in_chinese_also_where_it_trusts_no_connection() {
    let shop = Shop::in_memory().await;
    let page = Page::open("zh-CN,zh", &shop.plain_url()).await;
    assert_eq!(page.browser.run("return [isSecureContext, typeof crypto.randomUUID]").await[1], "undefined");
    assert_eq!(language(&page).await, "zh-CN");
    assert_eq!(page.browser.session.title().await.unwrap(), "验证手机号");

    page.press("check").await;
    assert_eq!(page.said("number-error").await, "请输入手机号。");
    assert_eq!(page.said("code-error").await, "请输入短信验证码。");
    page.type_into("number", "１３８ ００１３ ８０００").await;
    page.type_into("captcha", "no").await;
    page.press("send").await;
    assert_eq!(page.said("captcha-error").await, "字符有误或图片已过期，已为您更换新图片。");
    page.type_into("captcha", &shop.characters(&page.picture().await).await).await;
    page.press("send").await;
    assert!(page.said("code-status").await.starts_with("验证码已发送至 +86"));
    assert!(page.said("send-wait").await.ends_with(" 秒后可重新获取"));
    page.type_into("code", &shop.code(1).await).await;
    page.press("check").await;
    page.focuses("verified-title").await;
    assert_eq!(page.text("verified-title").await, "验证成功");

    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_language_can_be_changed_with_what_is_on_the_screen_and_stays_changed() {
    let shop = Shop::in_memory().await;
    // The first of its languages that the page speaks, not the first of all.
    let page = Page::open("fr-FR,fr,en,zh", &shop.url()).await;
    assert_eq!(language(&page).await, "en");
    page.type_into("number", NUMBER).await;
    page.press("send").await;
    assert_eq!(page.said("captcha-error").await, "Enter the characters in the picture.");

    page.browser.run("document.querySelector('[data-language=zh]').click()").await;

    assert_eq!(page.text("captcha-error").await, "请输入图片中的字符。");
    assert_eq!(page.value("number").await, NUMBER);
    assert_eq!(language(&page).await, "zh-CN");
    page.reload().await;
    assert_eq!(language(&page).await, "zh-CN");
    let pressed =
        "return [...document.querySelectorAll('[aria-pressed=true]')].map((button) => button.innerText)";
    assert_eq!(page.browser.run(pressed).await, serde_json::json!(["中文"]));
    page.finish().await;
    shop.finish().await;
}

async fn language(page: &Page) -> String {
    page.browser.run("return document.documentElement.lang").await.as_str().unwrap_or_default().to_owned()
}

//! The page without a mouse.

use thirtyfour::Key;

use super::{NUMBER, page::Page, shop::Shop};

/// Whether the focus can be seen where it is.
const FOCUS_IS_SEEN: &str = "const style = getComputedStyle(document.activeElement); \
                             return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2";

#[tokio::test]
async fn tab_goes_down_the_page_and_the_focus_is_seen_everywhere() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;

    let mut seen = Vec::new();
    for _ in 0..9 {
        page.key(Key::Tab).await;
        seen.push(page.focus().await);
        assert_eq!(page.browser.run(FOCUS_IS_SEEN).await, true, "{seen:?}");
    }

    // The two languages have no ids.
    assert_eq!(seen, ["", "", "number", "another", "listen", "captcha", "send", "code", "check"]);
    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_number_is_verified_with_nothing_but_keys() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;
    while page.focus().await != "number" {
        page.key(Key::Tab).await;
    }

    // Enter in a number that cannot be one says so, and stays.
    page.keys("1380013").await;
    page.key(Key::Enter).await;
    assert!(page.said("number-error").await.contains("11 digits"));
    assert_eq!(page.focus().await, "number");
    // What was wrong is selected, so that typing replaces it. Enter goes on to the picture, and then asks for the code.
    page.keys(NUMBER).await;
    page.key(Key::Enter).await;
    assert_eq!(page.focus().await, "captcha");
    assert_eq!([page.text("number-error").await, page.text("captcha-error").await], ["", ""]);
    page.keys(&shop.characters(&page.picture().await).await).await;
    page.key(Key::Enter).await;
    page.focuses("code").await;
    page.keys(&shop.code(1).await).await;
    page.key(Key::Enter).await;

    page.focuses("verified-title").await;
    page.key(Key::Tab).await;
    assert_eq!(page.focus().await, "restart");
    page.key(Key::Enter).await;
    page.focuses("number").await;
    assert_eq!((page.value("number").await, page.value("code").await), (String::new(), String::new()));
    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn listening_plays_and_another_picture_is_another_one() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;
    let first = page.picture().await;

    page.press("listen").await;
    page.shows("document.getElementById('sound').currentTime > 0").await;
    assert_eq!(page.picture().await, first);
    page.type_into("captcha", "half").await;
    page.press("another").await;

    assert_ne!(page.picture().await, first);
    assert_eq!((page.value("captcha").await, page.focus().await), (String::new(), "captcha".into()));
    page.shows("document.getElementById('sound').paused").await;
    assert_eq!(page.text("captcha-error").await, "");
    page.finish().await;
    shop.finish().await;
}

//! The whole way: a wrong picture, a right one, a reload, a second request, a wrong code, the right one.

use super::{NUMBER, page::Page, shop::Shop};

#[tokio::test]
async fn a_reader_verifies_a_number_in_memory() {
    verifies_a_number(Shop::in_memory().await).await;
}

#[tokio::test]
async fn a_reader_verifies_a_number_on_the_real_stack() {
    verifies_a_number(Shop::real("browser").await).await;
}

async fn verifies_a_number(shop: Shop) {
    let page = Page::open("en-US,en", &shop.url()).await;

    // A wrong picture is said at the picture, and there is another one.
    let burned = page.picture().await;
    page.type_into("number", "+86 138-0013-8000").await;
    page.type_into("captcha", "no").await;
    page.press("send").await;
    assert!(page.said("captcha-error").await.contains("not the characters"));
    assert_eq!((page.text("code-error").await, page.value("captcha").await), (String::new(), String::new()));
    assert_ne!(page.picture().await, burned);
    page.focuses("captcha").await;

    // With the right one a code is sent, and the button counts.
    read_the_picture(&shop, &page).await;
    page.press("send").await;
    assert_eq!(page.said("code-status").await, "A code is on its way to +86 138 0013 8000.");
    page.focuses("code").await;
    assert_eq!(page.text("captcha-error").await, "");
    let begun = seconds(&page).await;
    assert!((50..=60).contains(&begun), "{begun}");
    assert!(!page.is_enabled("send").await);
    let code = shop.code(1).await;

    // A reload finds the number, and the button goes on where it was.
    page.shows(&format!("parseInt(document.getElementById('send-wait').innerText.match(/\\d+/)) < {begun}"))
        .await;
    page.reload().await;
    assert_eq!(page.value("number").await, NUMBER);
    let counted = seconds(&page).await;
    assert!(counted < begun && counted > 1, "{counted} after {begun}");
    assert!(!page.is_enabled("send").await);

    // A browser that has forgotten may ask, and is told at the code, with the seconds that are left.
    page.browser.run("localStorage.clear()").await;
    page.reload().await;
    read_the_picture(&shop, &page).await;
    page.press("send").await;
    assert!(page.said("code-error").await.starts_with("You have just asked for a code."));
    assert_eq!(page.text("captcha-error").await, "");
    page.focuses("code").await;
    let told = seconds(&page).await;
    assert!(told <= counted && told > 1, "{told} after {counted}");

    // A wrong code is said at the code, and the right one is the end.
    page.type_into("code", &wrong(&code)).await;
    assert_eq!(page.text("code-error").await, "", "an error lasts until its field is changed");
    page.press("check").await;
    assert!(page.said("code-error").await.starts_with("This code is wrong"));
    page.focuses("code").await;
    page.type_into("code", &code).await;
    page.press("check").await;
    page.focuses("verified-title").await;
    assert_eq!(page.text("verified-title").await, "Verified");
    assert_eq!(page.text("verified-number").await, "+86 138 0013 8000 is yours.");
    assert!(!page.is_seen("send-form").await);

    page.finish().await;
    shop.finish().await;
}

/// Types what the picture shows.
async fn read_the_picture(shop: &Shop, page: &Page) {
    let characters = shop.characters(&page.picture().await).await;
    page.type_into("captcha", &characters.to_lowercase()).await;
}

/// The seconds on the button.
async fn seconds(page: &Page) -> u32 {
    let text = page.said("send-wait").await;
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no seconds in {text:?}"))
}

fn wrong(code: &str) -> String {
    let code: u32 = code.parse().expect("six digits");
    format!("{:06}", (code + 1) % 1_000_000)
}

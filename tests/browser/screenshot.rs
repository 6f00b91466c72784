//! The picture that README.md shows: the page at two widths, in two languages and two colour schemes, side by side.

use std::{fs, path::Path};

use serde_json::json;
use thirtyfour::cdp::domains::emulation::{MediaFeature, SetDeviceMetricsOverride, SetEmulatedMedia};

use super::{NUMBER, page::Page, shop::Shop};

/// The sizes of the two screens, in pixels of the page.
const DESKTOP: (u32, u32) = (860, 860);
const PHONE: (u32, u32) = (360, 860);
/// Between them, and around.
const GAP: u32 = 24;

#[tokio::test]
#[ignore = "writes into the tree: scripts/screenshot runs it"]
async fn the_picture_of_the_readme() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;

    look(&page, DESKTOP, "light").await;
    page.type_into("number", NUMBER).await;
    page.type_into("captcha", &shop.characters(&page.picture().await).await).await;
    let desktop = picture(&page).await;

    page.press("send").await;
    page.said("code-status").await;
    page.browser.run("document.querySelector('[data-language=zh]').click()").await;
    look(&page, PHONE, "dark").await;
    page.type_into("code", &shop.code(1).await).await;
    page.picture().await;
    let phone = picture(&page).await;

    look(&page, (DESKTOP.0 + PHONE.0 + 3 * GAP, DESKTOP.1 + 2 * GAP), "light").await;
    page.browser.session.goto("about:blank").await.unwrap();
    page.browser.run(&side_by_side(&[desktop, phone])).await;
    page.shows("[...document.images].length === 2 && [...document.images].every(({ complete }) => complete)")
        .await;
    let png = page.browser.session.screenshot_as_png().await.unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/page/screenshot.png");
    fs::write(file, png).unwrap();

    page.browser.finish().await;
    shop.finish().await;
}

async fn look(page: &Page, (width, height): (u32, u32), scheme: &str) {
    let cdp = page.browser.session.cdp();
    let screen = SetDeviceMetricsOverride {
        width,
        height,
        device_scale_factor: 1.0,
        mobile: false,
        scale: None,
        screen_orientation: None,
    };
    cdp.send(screen).await.expect("Chromium takes it");
    cdp.send_raw("Emulation.setScrollbarsHidden", json!({"hidden": true})).await.expect("Chromium takes it");
    let feature = |name: &str, value: &str| MediaFeature { name: name.into(), value: value.into() };
    let features = vec![feature("prefers-color-scheme", scheme), feature("prefers-reduced-motion", "reduce")];
    cdp.send(SetEmulatedMedia { media: None, features: Some(features) }).await.expect("Chromium takes it");
}

async fn picture(page: &Page) -> String {
    page.browser.session.screenshot_as_png_base64().await.expect("Chromium draws")
}

/// A script that shows pictures beside one another, on no ground.
fn side_by_side(pictures: &[String]) -> String {
    let images = pictures.iter().map(|png| format!("<img src=data:image/png;base64,{png}>"));
    let images: String = images.collect();
    format!(
        "document.body.innerHTML = `<style>body {{ margin: {GAP}px; display: flex; gap: {GAP}px }} \
         img {{ border-radius: 16px; box-shadow: 0 0 0 1px #8886 }}</style>{images}`"
    )
}

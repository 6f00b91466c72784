//! Who sees little, or not at all, or has a small screen.

use serde_json::{Value, json};
use thirtyfour::cdp::domains::emulation::{MediaFeature, SetDeviceMetricsOverride, SetEmulatedMedia};

use super::{NUMBER, page::Page, shop::Shop};

/// Everything that a screen reader needs and the page lacks.
const LACKING: &str = r"
    const lacking = [];
    const name = (element) => element.ariaLabel || element.innerText.trim();
    for (const input of document.querySelectorAll('input')) {
        if (!input.labels.length || !name(input.labels[0])) lacking.push(`${input.id}: no label`);
        const described = (input.getAttribute('aria-describedby') ?? '').split(' ');
        if (!described.includes(`${input.id}-error`)) lacking.push(`${input.id}: its error is not read`);
        for (const id of described) if (!document.getElementById(id)) lacking.push(`${input.id}: no ${id}`);
        const error = document.getElementById(`${input.id}-error`);
        if (error.role !== 'alert' && error.getAttribute('role') !== 'alert') lacking.push(`${input.id}: no alert`);
        const invalid = input.getAttribute('aria-invalid') === 'true';
        if (invalid !== (error.innerText !== '')) lacking.push(`${input.id}: invalid is ${invalid}`);
    }
    for (const button of document.querySelectorAll('button')) {
        if (button.checkVisibility() && !name(button)) lacking.push(`${button.id}: no name`);
        const { width, height } = button.getBoundingClientRect();
        if (button.checkVisibility() && (width < 24 || height < 24)) lacking.push(`${button.id}: too small`);
    }
    for (const image of document.images) if (!image.hasAttribute('alt')) lacking.push(`${image.src}: no alt`);
    for (const icon of document.querySelectorAll('svg')) {
        if (icon.getAttribute('aria-hidden') !== 'true') lacking.push('an icon is read');
    }
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    if (new Set(ids).size !== ids.length) lacking.push('an id stands twice');
    if (!document.getElementById('picture').alt) lacking.push('the picture is not described');
    if (document.querySelectorAll('h1:not([hidden] h1)').length !== 1) lacking.push('not one heading');
    return lacking;
";

/// All texts that are seen and whose contrast with their ground is below 4.5 (WCAG AA).
const FAINT: &str = r"
    const parts = (color) => color.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const linear = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parts(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const texts = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const isText = texts || element.matches('input');
        if (!isText || !element.checkVisibility() || element.closest('noscript')) continue;
        const [one, other] = [parts(getComputedStyle(element).color), ground(element)].map(light);
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) faint.push(`${element.id || element.className || element.innerText}: ${contrast.toFixed(2)}`);
    }
    return faint;
";

#[tokio::test]
async fn every_state_is_told_to_a_screen_reader_and_has_contrast_in_both_colour_schemes() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;
    let characters = shop.characters(&page.picture().await).await;
    let alt = page.browser.run("return document.getElementById('picture').alt").await;
    assert!(!alt.as_str().unwrap().contains(&characters), "{alt}");

    for state in STATES {
        enter(state, &shop, &page).await;
        assert_eq!(page.browser.run(LACKING).await, json!([]), "{state:?}");
        for scheme in ["light", "dark"] {
            prefer(&page, scheme).await;
            assert_eq!(page.browser.run(FAINT).await, json!([]), "{state:?}, {scheme}");
        }
    }

    page.finish().await;
    shop.finish().await;
}

#[tokio::test]
async fn nothing_is_wider_than_a_screen_of_360_pixels() {
    let shop = Shop::in_memory().await;
    let page = Page::open("en", &shop.url()).await;
    let screen = SetDeviceMetricsOverride {
        width: 360,
        height: 740,
        device_scale_factor: 2.0,
        mobile: true,
        scale: None,
        screen_orientation: None,
    };
    page.browser.session.cdp().send(screen).await.unwrap();
    assert_eq!(page.browser.run("return innerWidth").await, 360);

    for state in STATES {
        enter(state, &shop, &page).await;
        for language in ["zh", "en"] {
            page.browser.run(&format!("document.querySelector('[data-language={language}]').click()")).await;
            let wide = "return [...document.querySelectorAll('body, body *:not(.unseen)')]
                .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > 360)
                .map((element) => element.id || element.className)";
            assert_eq!(page.browser.run(wide).await, json!([]), "{state:?}, {language}");
            let scrolls = page.browser.run("return document.documentElement.scrollWidth").await;
            assert_eq!(scrolls, 360, "{state:?}, {language}");
        }
    }

    page.finish().await;
    shop.finish().await;
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    Wrong,
    Sent,
    Refused,
    Verified,
}

/// In the order in which a reader comes to them.
const STATES: [State; 5] = [State::Fresh, State::Wrong, State::Sent, State::Refused, State::Verified];

async fn enter(state: State, shop: &Shop, page: &Page) {
    match state {
        State::Fresh => {}
        State::Wrong => {
            page.press("send").await;
            page.press("check").await;
            page.said("code-error").await;
        }
        State::Sent => {
            page.type_into("number", NUMBER).await;
            page.type_into("captcha", &shop.characters(&page.picture().await).await).await;
            page.press("send").await;
            page.said("code-status").await;
        }
        State::Refused => {
            // Not by a wrong code, which may be the right one.
            page.type_into("code", "1").await;
            page.press("check").await;
            page.said("code-error").await;
        }
        State::Verified => {
            page.type_into("code", &shop.code(1).await).await;
            page.press("check").await;
            page.focuses("verified-title").await;
        }
    }
}

/// Sets the reader's colour scheme, and motion to none so that no colour is seen on its way to another.
async fn prefer(page: &Page, scheme: &str) {
    let feature = |name: &str, value: &str| MediaFeature { name: name.into(), value: value.into() };
    let features = vec![feature("prefers-color-scheme", scheme), feature("prefers-reduced-motion", "reduce")];
    let media = SetEmulatedMedia { media: None, features: Some(features) };
    page.browser.session.cdp().send(media).await.expect("Chromium takes it");
    let matches = format!("return matchMedia('(prefers-color-scheme: {scheme})').matches");
    assert_eq!(page.browser.run(&matches).await, Value::Bool(true));
}

//! The page as a reader uses it.

use postrider_tests::{browser::Browser, servers::eventually};
use serde_json::Value;
use thirtyfour::{By, Key, WebElement};

use super::SOON;

/// The page in a browser.
pub(crate) struct Page {
    pub(crate) browser: Browser,
}

impl Page {
    /// Opens the page in a browser whose reader prefers these languages.
    pub(crate) async fn open(languages: &str, url: &str) -> Self {
        let page = Self { browser: Browser::start(languages).await };
        page.go(url).await;
        page
    }

    /// Goes to the page, or comes back to it.
    pub(crate) async fn go(&self, url: &str) {
        self.browser.session.goto(url).await.expect("the page answers");
        self.is_there().await;
    }

    pub(crate) async fn reload(&self) {
        self.browser.session.refresh().await.expect("the page answers");
        self.is_there().await;
    }

    /// Waits until the page shows its texts and its picture.
    async fn is_there(&self) {
        self.shows("!document.getElementById('page').hidden").await;
        self.shows(PICTURE_IS_DRAWN).await;
    }

    /// Waits until a condition in JavaScript holds.
    pub(crate) async fn shows(&self, condition: &str) {
        let script = format!("return Boolean({condition})");
        if eventually(SOON, async || self.browser.run(&script).await == true).await {
            return;
        }
        let text = self.browser.run("return document.body.innerText").await;
        let complaints = self.browser.complaints().await;
        panic!("the page never shows: {condition}\n{text}\n{complaints:#?}");
    }

    /// Waits until an element says something, and returns it.
    pub(crate) async fn said(&self, id: &str) -> String {
        self.shows(&format!("document.getElementById('{id}').innerText.trim() !== ''")).await;
        self.text(id).await
    }

    /// What an element says now; nothing when it is not to be seen.
    pub(crate) async fn text(&self, id: &str) -> String {
        self.element(id).await.text().await.expect("it is on the page")
    }

    /// What is typed in a field.
    pub(crate) async fn value(&self, id: &str) -> String {
        text(&self.browser.run(&format!("return document.getElementById('{id}').value")).await)
    }

    /// Empties a field and types into it.
    pub(crate) async fn type_into(&self, id: &str, text: &str) {
        let field = self.element(id).await;
        field.clear().await.expect("a field is emptied");
        field.send_keys(text).await.expect("a field takes text");
    }

    pub(crate) async fn press(&self, id: &str) {
        self.element(id).await.click().await.expect("it can be pressed");
    }

    /// Presses a key wherever the focus is.
    pub(crate) async fn key(&self, key: Key) {
        self.keys(&char::from(key).to_string()).await;
    }

    /// Types wherever the focus is.
    pub(crate) async fn keys(&self, keys: &str) {
        self.browser.session.action_chain().send_keys(keys).perform().await.expect("keys are typed");
    }

    /// Where the focus is.
    pub(crate) async fn focus(&self) -> String {
        text(&self.browser.run("return document.activeElement.id").await)
    }

    /// Waits until the focus is there.
    pub(crate) async fn focuses(&self, id: &str) {
        self.shows(&format!("document.activeElement.id === '{id}'")).await;
    }

    /// The id of the picture that is shown.
    pub(crate) async fn picture(&self) -> String {
        self.shows(PICTURE_IS_DRAWN).await;
        let url = text(&self.browser.run("return document.getElementById('picture').src").await);
        url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// How many requests the page has made of a path that holds this, since it was loaded.
    pub(crate) async fn requests(&self, part: &str) -> u64 {
        let script = format!(
            "return performance.getEntriesByType('resource').filter(({{ name }}) => name.includes('{part}')).length"
        );
        self.browser.run(&script).await.as_u64().expect("a count")
    }

    pub(crate) async fn is_enabled(&self, id: &str) -> bool {
        self.element(id).await.is_enabled().await.expect("it is on the page")
    }

    pub(crate) async fn is_seen(&self, id: &str) -> bool {
        self.element(id).await.is_displayed().await.expect("it is on the page")
    }

    async fn element(&self, id: &str) -> WebElement {
        let found = self.browser.session.find(By::Id(id)).await;
        found.unwrap_or_else(|error| panic!("{id}: {error}"))
    }

    /// Ends the browser; it must have had nothing to complain of.
    pub(crate) async fn finish(self) {
        assert_eq!(self.browser.complaints().await, [""; 0]);
        self.browser.finish().await;
    }
}

const PICTURE_IS_DRAWN: &str =
    "document.getElementById('picture').complete && document.getElementById('picture').naturalWidth > 0";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! `postrider-api` on the servers, the queue, the keys and the key prefix of a worker's [`Setup`], and a client for it.
//!
//! It takes a free port. Its one app, `shop`, has a secret key and reads national numbers as China's.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, time::Duration};

use postrider_core::seal::KeyRing;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    servers::Proc,
    worker::{Output, PATIENCE, Setup, ended},
};

/// The secret key of the app `shop`.
pub const SECRET_KEY: &str = "prk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// A configuration of the api.
pub struct ApiSetup {
    settings: BTreeMap<String, String>,
    apps: Vec<String>,
    file: PathBuf,
}

/// A running api.
pub struct Api {
    /// The process.
    pub process: Proc,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub address: String,
    client: reqwest::Client,
    key: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; null where it is not JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl ApiSetup {
    /// For the api that feeds the worker of that setup.
    pub fn new(setup: &Setup) -> Self {
        let pepper = setup.path("pepper");
        if !pepper.exists() {
            fs::write(&pepper, KeyRing::generate_line("p1")).expect("the temp folder is writable");
        }
        let hash = hex::encode(Sha256::digest(SECRET_KEY));
        let app =
            format!("name = \"shop\"\ndefault_region = \"CN\"\nsecret_key_hashes = [\"sha256:{hash}\"]");
        let this = Self { settings: BTreeMap::new(), apps: vec![app], file: setup.path("api.toml") };
        this.text("http.listen", "127.0.0.1:0")
            .text("amqp.url", &setup.amqp_url)
            .text("redis.url", &setup.redis_url)
            .text("redis.prefix", &setup.prefix)
            .text("queue.name", &setup.queue)
            .text("keys.pepper_file", &pepper.to_string_lossy())
            .text("keys.seal_file", &setup.path("seal").to_string_lossy())
            .text("log.level", "debug")
    }

    /// Without any app: open to this machine.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.apps.clear();
        self
    }

    /// With another app, as the lines of its table.
    #[must_use]
    pub fn app(mut self, lines: &str) -> Self {
        self.apps.push(lines.to_owned());
        self
    }

    /// With the page and its routes, which make verifications of the app `shop`.
    #[must_use]
    pub fn shop(self) -> Self {
        self.text("shop.app", "shop")
    }

    /// A setting that is text.
    #[must_use]
    pub fn text(self, key: &str, value: &str) -> Self {
        self.set(key, &format!("{value:?}"))
    }

    /// A setting as TOML writes its value.
    #[must_use]
    pub fn set(mut self, key: &str, toml: &str) -> Self {
        self.settings.insert(key.into(), toml.into());
        self
    }

    /// Takes a setting out.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.settings.remove(key);
        self
    }

    /// Starts the binary with that configuration and more arguments.
    pub fn spawn(&self, args: &[&str]) -> Proc {
        self.spawn_with(args, &[])
    }

    /// The same with settings in the environment.
    pub fn spawn_with(&self, args: &[&str], env: &[(&str, &str)]) -> Proc {
        let config = ["--config".to_owned(), self.write().to_string_lossy().into_owned()];
        let args = config.into_iter().chain(args.iter().map(|arg| (*arg).to_owned()));
        Proc::start("postrider-api", args, env.iter().copied())
    }

    /// Writes the configuration into its file, and says where that is.
    pub fn write(&self) -> PathBuf {
        let mut toml = String::new();
        for (key, value) in &self.settings {
            writeln!(toml, "{key} = {value}").expect("a text takes all");
        }
        for app in &self.apps {
            writeln!(toml, "[[apps]]\n{app}").expect("a text takes all");
        }
        fs::write(&self.file, toml).expect("the temp folder is writable");
        self.file.clone()
    }

    /// Runs a command, or a start that is refused, to its end.
    pub async fn command(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        ended(self.spawn_with(args, env)).await
    }

    /// Starts an api and waits until it listens.
    pub async fn listening(&self) -> Api {
        Api::of(self.spawn(&[]), (!self.apps.is_empty()).then_some(SECRET_KEY)).await
    }

    /// Starts an api and waits until it is ready.
    pub async fn start(&self) -> Api {
        let api = self.listening().await;
        assert!(api.becomes_ready(PATIENCE).await, "the api did not become ready:\n{}", api.process.log());
        api
    }
}

impl Api {
    /// A process that says where it listens, asked with that key.
    pub async fn of(mut process: Proc, key: Option<&str>) -> Self {
        let line = process.wait_for_line(|line| line.contains("listening on http://"), PATIENCE).await;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.expect("the line names the address").to_owned();
        let client = reqwest::Client::builder().timeout(PATIENCE).pool_max_idle_per_host(0).build();
        let client = client.expect("a plain client");
        Self { process, address, client, key: key.map(str::to_owned) }
    }

    /// Stops it, and checks that it ends well. Returns what it printed.
    pub async fn finish(mut self) -> String {
        self.process.sigterm();
        let Output { status, text } = ended(self.process).await;
        assert_eq!(status.code(), Some(0), "the api did not stop in order:\n{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// The same api, asked with another key or none.
    #[must_use]
    pub fn with_key(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }

    /// Waits until `/readyz` is 200.
    pub async fn becomes_ready(&self, within: Duration) -> bool {
        crate::servers::eventually(within, async || self.get("/readyz").await.status == 200).await
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    /// A POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body)).await
    }

    /// A POST of any bytes.
    pub async fn post_raw(&self, path: &str, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
        let mut request = self.client.post(self.url(path)).body(body.into());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        self.send(request).await
    }

    /// Any request, built by `shape`.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        shape: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let method = method.parse().expect("a method");
        self.send(shape(self.client.request(method, self.url(path)))).await
    }

    /// Asks for a code for `login`.
    pub async fn create(&self, to: &str) -> Answer {
        self.post("/v1/verifications", &json!({"to": to, "purpose": "login"})).await
    }

    /// Checks a code by the verification's id.
    pub async fn check(&self, id: &str, code: &str) -> Answer {
        self.post(&format!("/v1/verifications/{id}/check"), &json!({"code": code})).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let response = request.send().await.expect("the api answers");
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer has an end");
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }
}

impl Answer {
    /// A text field of the body.
    pub fn text_of(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// The id of the verification.
    pub fn id(&self) -> &str {
        self.text_of("id")
    }

    /// The problem's code.
    pub fn code(&self) -> &str {
        self.text_of("code")
    }
}

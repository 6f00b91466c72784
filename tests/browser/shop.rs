//! Where the page comes from, and what only a test can see there: the characters of a picture, the code of an SMS.

use postrider_tests::{
    api::{Api, ApiSetup},
    browser::PLAIN_HOST,
    provider::Provider,
    servers::{Proc, eventually},
    worker::{PATIENCE, Setup},
};

use super::SOON;

/// A shop that runs.
pub(crate) struct Shop {
    pub(crate) api: Api,
    stack: Option<Stack>,
}

/// What stands behind the api, where it is not all in one process.
struct Stack {
    setup: Setup,
    provider: Provider,
    worker: Proc,
}

impl Shop {
    /// The standalone.
    pub(crate) async fn in_memory() -> Self {
        let process = Proc::start("postrider", ["--listen", "127.0.0.1:0"], [("", ""); 0]);
        let api = Api::of(process, None).await;
        assert!(api.becomes_ready(PATIENCE).await, "{}", api.process.log());
        Self { api, stack: None }
    }

    /// The api and a worker on RabbitMQ and Redis, with a provider double.
    pub(crate) async fn real(test: &str) -> Self {
        Self::on(Setup::new(test)).await
    }

    /// The same with such a setup.
    pub(crate) async fn on(setup: Setup) -> Self {
        let provider = Provider::start().await;
        let setup = setup.provider(&provider);
        let worker = setup.start().await;
        let api = ApiSetup::new(&setup).shop().start().await;
        Self { api, stack: Some(Stack { setup, provider, worker }) }
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.api.address)
    }

    /// The same under a name that browsers do not trust.
    pub(crate) fn plain_url(&self) -> String {
        self.url().replace("127.0.0.1", PLAIN_HOST)
    }

    /// What a picture shows.
    pub(crate) async fn characters(&self, picture: &str) -> String {
        if let Some(Stack { setup, .. }) = &self.stack {
            let id = picture.parse().expect("the page makes UUIDs");
            return setup.shown(id).await.expect("the picture waits");
        }
        let listed = self.api.get("/dev/captchas").await;
        let mut pictures = listed.body.as_array().expect("a list").iter();
        let found = pictures.find(|listed| listed["uuid"] == picture);
        found.and_then(|found| found["text"].as_str()).expect("the picture waits").to_owned()
    }

    /// The code of the last SMS, once that many have been sent.
    pub(crate) async fn code(&self, count: usize) -> String {
        if let Some(Stack { provider, .. }) = &self.stack {
            return provider.wait_for(count, SOON).await.pop().expect("one at least").code;
        }
        let mut code = None;
        let sent = eventually(SOON, async || {
            let outbox = self.api.get("/dev/outbox").await.body;
            code = outbox[0]["code"].as_str().map(str::to_owned);
            outbox.as_array().is_some_and(|sms| sms.len() == count)
        })
        .await;
        assert!(sent, "{count} SMS were not sent");
        code.expect("an SMS has a code")
    }

    /// Stops it, and checks that nothing is left behind.
    pub(crate) async fn finish(self) {
        self.api.finish().await;
        if let Some(Stack { setup, worker, .. }) = self.stack {
            setup.finish(worker).await;
        }
    }
}

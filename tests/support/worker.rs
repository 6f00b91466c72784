//! `postrider-worker` with a configuration, keys, queues and a key prefix of one test's own.
//!
//! Owns the folder with the configuration and the key file. What the worker prints is read through [`Proc`]; what it
//! gives up lies in the shared `sms.dead`, which [`crate::dead`] looks through.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, process::ExitStatus, time::Duration};

use postrider_core::seal::KeyRing;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    amqp::Amqp,
    provider::{Provider, SECRET},
    servers::{Proc, shared_amqp_url, shared_redis_url},
};

/// How long a worker may take to start and to stop. Far above what it takes, for a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

const NO_ENV: [(&str, &str); 0] = [];

/// A worker's configuration.
pub struct Setup {
    /// The queue that it consumes from: owned and quorum unless it was said otherwise.
    pub queue: String,
    /// What its Redis keys start with.
    pub prefix: String,
    /// The broker.
    pub amqp_url: String,
    /// The store.
    pub redis_url: String,
    settings: BTreeMap<String, String>,
    queues: Vec<Queue>,
    folder: TempDir,
}

struct Queue {
    name: String,
    kind: Option<&'static str>,
    owned: bool,
    /// Further settings, as TOML writes them.
    settings: Vec<(&'static str, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub text: String,
}

impl Setup {
    /// A configuration on the shared servers, with a queue and a prefix that no other test has, and the console for a
    /// provider.
    pub fn new(test: &str) -> Self {
        let unique = format!("{test}.{}", &Uuid::new_v4().simple().to_string()[..8]);
        let (queue, prefix) = (format!("t.{unique}"), format!("test:{unique}"));
        let folder =
            tempfile::Builder::new().prefix("worker.").tempdir().expect("the temp folder is writable");
        fs::write(folder.path().join("seal"), KeyRing::generate_line("k1"))
            .expect("the temp folder is writable");
        let owned = Queue { name: queue.clone(), kind: None, owned: true, settings: Vec::new() };
        let setup = Self {
            queue,
            prefix: prefix.clone(),
            amqp_url: String::new(),
            redis_url: String::new(),
            settings: BTreeMap::new(),
            queues: vec![owned],
            folder,
        };
        let seal = setup.path("seal");
        setup
            .broker(&shared_amqp_url())
            .redis(&shared_redis_url())
            .text("redis.prefix", &prefix)
            .text("keys.seal_file", &seal.to_string_lossy())
            .text("worker.name", "w1@%h")
            .text("log.level", "debug")
    }

    /// Another broker than the shared one.
    #[must_use]
    pub fn broker(mut self, url: &str) -> Self {
        self.amqp_url = url.into();
        self.text("amqp.url", url)
    }

    /// Another Redis than the shared one.
    #[must_use]
    pub fn redis(mut self, url: &str) -> Self {
        self.redis_url = url.into();
        self.text("redis.url", url)
    }

    /// Sends through this double.
    #[must_use]
    pub fn provider(self, provider: &Provider) -> Self {
        self.text("sms.provider", "webhook")
            .text("providers.webhook.url", &provider.url())
            .text("providers.webhook.secret", SECRET)
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

    /// The queue is another program's, as `celery` is.
    #[must_use]
    pub fn foreign(mut self) -> Self {
        self.queues[0].owned = false;
        self
    }

    /// The queue has another name, that begins as it would have.
    #[must_use]
    pub fn queue_suffix(mut self, suffix: &str) -> Self {
        self.queue.push_str(suffix);
        self.queues[0].name.clone_from(&self.queue);
        self
    }

    /// The queue is of that type.
    #[must_use]
    pub fn queue_type(mut self, kind: &'static str) -> Self {
        self.queues[0].kind = Some(kind);
        self
    }

    /// A setting of the queue, as TOML writes its value.
    #[must_use]
    pub fn queue_set(mut self, key: &'static str, toml: &str) -> Self {
        self.queues[0].settings.push((key, toml.into()));
        self
    }

    /// A path in the folder of the configuration.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The keys that tasks are sealed with.
    pub fn keys(&self) -> KeyRing {
        let text = fs::read_to_string(self.path("seal")).expect("written above");
        KeyRing::parse(&text).expect("a generated line")
    }

    /// The configuration as it lies in its file.
    pub fn toml(&self) -> String {
        let mut toml = String::new();
        for (key, value) in &self.settings {
            writeln!(toml, "{key} = {value}").expect("a text takes all");
        }
        for Queue { name, kind, owned, settings } in &self.queues {
            writeln!(toml, "[[queues]]\nname = {name:?}\nowned = {owned}").expect("a text takes all");
            if let Some(kind) = kind {
                writeln!(toml, "type = {kind:?}").expect("a text takes all");
            }
            for (key, value) in settings {
                writeln!(toml, "{key} = {value}").expect("a text takes all");
            }
        }
        toml
    }

    /// Writes the configuration into its file, and says where that is.
    pub fn write(&self) -> PathBuf {
        let file = self.path("worker.toml");
        fs::write(&file, self.toml()).expect("the temp folder is writable");
        file
    }

    /// Starts a worker and waits until it consumes.
    pub async fn start(&self) -> Proc {
        let mut worker = self.spawn::<&str>([], NO_ENV);
        worker.wait_for_line(|line| line.contains("consuming") && line.contains(&self.queue), PATIENCE).await;
        worker
    }

    /// Starts the binary with that configuration and what else is given.
    pub fn spawn<'a, A: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = A>,
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Proc {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let config = ["--config".to_owned(), self.write().to_string_lossy().into_owned()];
        Proc::start("postrider-worker", config.into_iter().chain(args), env)
    }

    /// Runs a command to its end.
    pub async fn command(&self, args: &[&str]) -> Output {
        ended(self.spawn(args, NO_ENV)).await
    }

    /// A client of the broker.
    pub async fn amqp(&self) -> Amqp {
        Amqp::connect(&self.amqp_url).await
    }

    /// Stops a worker, and checks that it ends well and leaves no work behind. Returns what it printed.
    pub async fn finish(&self, mut worker: Proc) -> String {
        worker.sigterm();
        let Output { status, text } = ended(worker).await;
        assert_eq!(status.code(), Some(0), "the worker did not stop in order:\n{text}");
        self.clean_up().await;
        text
    }

    /// Removes the queues, which must be empty.
    pub async fn clean_up(&self) {
        let amqp = self.amqp().await;
        let unclaimed = self.queues.iter().filter(|queue| !queue.owned);
        let unclaimed: Vec<String> = unclaimed.map(|queue| format!("{}.unclaimed", queue.name)).collect();
        let queues: Vec<&str> =
            self.queues.iter().map(|queue| &queue.name).chain(&unclaimed).map(|n| &**n).collect();
        for queue in &queues {
            let left = amqp.ready(queue).await.unwrap_or(0);
            assert_eq!(left, 0, "work was left in {queue}");
        }
        let returned: Vec<String> =
            self.queues.iter().map(|queue| format!("{}.returned", queue.name)).collect();
        amqp.delete(queues.into_iter().chain(returned.iter().map(String::as_str))).await;
    }
}

/// Waits until a process has ended.
pub async fn ended(mut process: Proc) -> Output {
    let status = process.wait(PATIENCE).await;
    Output { status, text: process.log() }
}

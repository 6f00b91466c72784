//! The files of `deploy/` as an operator has them: read, with the paths of a machine put in, and their scripts run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use postrider_tests::{
    api::ApiSetup,
    servers::{RabbitMq, Redis},
    worker::Setup,
};
use tempfile::TempDir;

/// A path in `deploy/`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// A file of `deploy/` with what stands there for a machine's own replaced. Every place must be there.
pub(crate) fn text(name: &str, places: &[(&str, &str)]) -> String {
    let file = path(name);
    let mut text = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()));
    for (place, ours) in places {
        assert!(text.contains(place), "{name} does not hold {place:?}");
        text = text.replace(place, ours);
    }
    text
}

/// A folder with the passwords of all roles, which the setup scripts make.
pub(crate) struct Passwords(TempDir);

impl Passwords {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the temp folder is writable"))
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn of(&self, server: &str, user: &str) -> String {
        fs::read_to_string(self.path(&format!("{server}.{user}"))).expect("setup has made it")
    }

    /// Runs a setup script to its end, which must be good. Returns what it printed.
    pub(crate) fn run(&self, script: &str, args: &[&str], env: Vec<(&str, String)>) -> String {
        let mut command = Command::new(path(script));
        command.arg("--passwords").arg(self.0.path()).args(args).envs(env);
        let output = command.output().expect("bash is there");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{script} failed:\n{text}");
        text
    }
}

/// A RabbitMQ with the shipped settings, and the users that `setup` makes for one queue.
pub(crate) struct Broker {
    pub(crate) server: RabbitMq,
    passwords: Passwords,
}

impl Broker {
    pub(crate) async fn start(more: &[(&str, String)]) -> Self {
        let settings = [("20-postrider.conf", text("rabbitmq/postrider.conf", &[]))];
        let server = RabbitMq::start_with(&[&settings, more].concat()).await;
        Self { server, passwords: Passwords::new() }
    }

    /// Runs `setup`.
    pub(crate) fn set_up(&self, args: &[&str]) -> String {
        self.passwords.run("rabbitmq/setup", args, self.server.control())
    }

    /// The address for a role.
    pub(crate) fn url(&self, user: &str) -> String {
        self.server.url_as(user, &self.passwords.of("rabbitmq", user), "postrider")
    }

    /// The password of a role.
    pub(crate) fn password(&self, user: &str) -> String {
        self.passwords.of("rabbitmq", user)
    }
}

/// A Redis with the shipped settings, and the users that `setup` makes for one prefix.
pub(crate) struct Store {
    pub(crate) server: Redis,
    passwords: Passwords,
}

impl Store {
    pub(crate) async fn start(prefix: &str, more: &[&str]) -> Self {
        let passwords = Passwords::new();
        let (users, config) = (passwords.path("users.acl"), passwords.path("redis.conf"));
        let users = users.to_string_lossy();
        passwords.run("redis/setup", &["--prefix", prefix, "--output", &users], Vec::new());
        // The last `dir` counts, and it is the server's own folder.
        let places = [("/etc/redis/postrider-users.acl", &*users), ("dir /var/lib/redis/postrider", "dir .")];
        fs::write(&config, text("redis/postrider.conf", &places)).expect("the temp folder is writable");
        Self { server: Redis::start_from(&config, more).await, passwords }
    }

    /// The address for a role.
    pub(crate) fn url(&self, user: &str) -> String {
        self.server.url_as(user, &self.passwords.of("redis", user))
    }
}

/// The api beside a worker of that setup, as the api's own users.
pub(crate) fn api(setup: &Setup, amqp_url: &str, redis_url: &str) -> ApiSetup {
    ApiSetup::new(setup).text("amqp.url", amqp_url).set("amqp.declare", "false").text("redis.url", redis_url)
}

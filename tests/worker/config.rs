//! The configuration: four layers, and errors that name their key before anything is started.

use std::fs;

use postrider_tests::{
    provider::{Provider, SECRET},
    worker::{Output, PATIENCE, Setup, ended},
};
use serde_json::Value;

const NO_ENV: [(&str, &str); 0] = [];

#[tokio::test]
async fn a_good_configuration_is_called_so_and_the_manual_is_one() {
    let provider = Provider::start().await;
    let setup = Setup::new("good").provider(&provider);

    let checked = setup.command(&["config", "check"]).await;
    let manual = setup.command(&["config", "default"]).await;

    assert_eq!((checked.status.code(), checked.text.as_str()), (Some(0), "the configuration is good"));
    for section in [
        "[worker]",
        "[[queues]]",
        "[results]",
        "[control]",
        "[dead]",
        "[amqp]",
        "[redis]",
        "[sms]",
        "[providers.webhook]",
    ] {
        assert!(manual.text.contains(section), "{section}");
    }
    let file = setup.path("manual.toml");
    let seal = setup.path("seal").to_string_lossy().into_owned();
    fs::write(&file, &manual.text).unwrap();
    let args = ["config", "check", "--config", &file.to_string_lossy()].map(str::to_owned);
    let process = postrider_tests::servers::Proc::start(
        "postrider-worker",
        args,
        [("POSTRIDER__KEYS__SEAL_FILE", seal.as_str())],
    );
    let Output { status, text } = ended(process).await;
    assert!(status.success(), "{text}");
}

#[tokio::test]
async fn a_key_that_nothing_reads_is_named_wherever_it_stands() {
    let in_file = Setup::new("unknown").set("worker.concurency", "5").command(&["config", "check"]).await;
    let section = Setup::new("unknown").set("workers.concurrency", "5").command(&["config", "check"]).await;
    let in_queue =
        Setup::new("unknown").set("topology.kind", "\"classic\"").command(&["config", "check"]).await;
    let env = [("POSTRIDER__WORKER__CONCURENCY", "5")];
    let in_env = ended(Setup::new("unknown").spawn(["config", "check"], env)).await;
    let at_start = ended(Setup::new("unknown").spawn::<&str>([], env)).await;

    for (output, key) in [
        (in_file, "concurency"),
        (section, "workers"),
        (in_queue, "kind"),
        (in_env, "concurency"),
        (at_start, "concurency"),
    ] {
        assert_eq!(output.status.code(), Some(78), "{key}: {}", output.text);
        assert!(output.text.contains(key), "{key}: {}", output.text);
        assert_eq!(output.text.lines().count(), 1, "{key}: {}", output.text);
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_used_is_refused_with_its_key() {
    let cases = [
        ("amqp.url", "\"http://127.0.0.1\"", "amqp.url"),
        ("amqp.heartbeat", "\"10m\"", "amqp.heartbeat"),
        ("amqp.connect_timeout", "\"0s\"", "amqp.connect_timeout"),
        ("amqp.publish_timeout", "\"60\"", "publish_timeout"),
        ("redis.url", "\"127.0.0.1:6379\"", "redis.url"),
        ("redis.prefix", "\"a b\"", "redis.prefix"),
        ("redis.timeout", "3", "redis.timeout"),
        ("redis.eviction", "\"maybe\"", "redis.eviction"),
        ("worker.concurrency", "0", "worker.concurrency"),
        ("worker.concurrency", "\"many\"", "worker.concurrency"),
        ("worker.drain_timeout", "\"soon\"", "drain_timeout"),
        ("worker.pool", "\"custom\"", "worker.pool"),
        ("worker.autoscale", "\"many\"", "worker.autoscale"),
        ("worker.threads", "0", "worker.threads"),
        ("worker.prefetch_multiplier", "-1", "worker.prefetch_multiplier"),
        ("worker.soft_shutdown_timeout", "\"60\"", "soft_shutdown_timeout"),
        ("results.url", "\"db+postgresql://me:s3cret@host/db\"", "results.url"),
        ("results.url", "\"redis://[host\"", "results.url"),
        ("results.expires", "\"1 day of them\"", "expires"),
        ("results.connections", "0", "results.connections"),
        ("control.heartbeat", "2", "heartbeat"),
        ("control.enabled", "\"maybe\"", "control.enabled"),
        ("topology.queue_type", "\"stream\"", "topology.queue_type"),
        ("dead.max_length", "0", "dead"),
        ("log.level", "\"no=such=level\"", "log.level"),
        ("log.format", "\"xml\"", "log.format"),
        ("metrics.listen", "\"here\"", "metrics.listen"),
        ("sms.provider", "\"pigeon\"", "sms.provider"),
        ("sms.provider", "\"webhook\"", "providers.webhook.url"),
        ("sms.window", "\"2d\"", "sms.window"),
        ("sms.lease", "\"10ms\"", "sms.lease"),
    ];
    for (key, value, named) in cases {
        let Output { status, text } = Setup::new("bad").set(key, value).command(&["config", "check"]).await;
        assert_eq!(status.code(), Some(78), "{key} = {value}: {text}");
        assert!(text.contains(named), "{key} = {value}: {text}");
        assert!(!text.contains("s3cret"), "{key}: {text}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let setup = Setup::new("file");
    let (missing, broken) = (setup.path("missing.toml"), setup.path("broken.toml"));
    fs::write(&broken, "[worker\nconcurrency = 5").unwrap();

    for path in [missing, broken] {
        let args = ["--config".to_owned(), path.to_string_lossy().into_owned()];
        let process = postrider_tests::servers::Proc::start("postrider-worker", args, NO_ENV);
        let Output { status, text } = ended(process).await;
        assert_eq!(status.code(), Some(78), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
    }
}

#[tokio::test]
async fn flags_stand_above_the_environment_the_environment_above_the_file_and_the_file_above_the_defaults() {
    let setup = Setup::new("layers").set("worker.concurrency", "5").text("redis.prefix", "from-file");
    let env = [("POSTRIDER__WORKER__CONCURRENCY", "6"), ("POSTRIDER__LOG__LEVEL", "warning")];

    let file = dump(&setup, &[], &[]).await;
    let environment = dump(&setup, &[], &env).await;
    let flags = dump(&setup, &["-c", "7", "-l", "error", "-Q", "a,b", "-n", "w9@%h"], &env).await;

    assert_eq!((&file["worker"]["concurrency"], &file["redis"]["prefix"]), (&5.into(), &"from-file".into()));
    assert_eq!((&file["worker"]["drain_timeout"], &file["log"]["format"]), (&"25s".into(), &"text".into()));
    let levels = (&environment["worker"]["concurrency"], &environment["log"]["level"]);
    assert_eq!(levels, (&6.into(), &"warning".into()));
    assert_eq!(environment["redis"]["prefix"], "from-file");
    assert_eq!((&flags["worker"]["concurrency"], &flags["log"]["level"]), (&7.into(), &"error".into()));
    assert_eq!((&flags["queues"][1]["name"], &flags["worker"]["name"]), (&"b".into(), &"w9@%h".into()));
}

#[tokio::test]
async fn a_dump_shows_no_secret() {
    let setup = Setup::new("secrets")
        .text("amqp.url", "amqp://me:s3cret-a@127.0.0.1/%2f")
        .text("redis.url", "redis://me:s3cret-r@127.0.0.1/0")
        .text("providers.webhook.secret", SECRET)
        .text("providers.yuntongxun.auth_token", "s3cret-y");

    let Output { status, text } = setup.command(&["config", "dump"]).await;

    assert!(status.success(), "{text}");
    assert!(!text.contains("s3cret") && !text.contains(SECRET), "{text}");
    assert!(text.contains("amqp://******@127.0.0.1/%2f"), "{text}");
}

#[tokio::test]
async fn classic_queues_come_with_a_sentence_on_what_they_may_lose() {
    let setup = Setup::new("classic").text("topology.queue_type", "classic");

    let printed = setup.command(&["topology", "print"]).await.text;
    let quorum = Setup::new("quorum").command(&["topology", "print"]).await.text;

    assert!(printed.contains("may lose retries that wait in the delay queues"), "{printed}");
    assert!(!quorum.contains("may lose"), "{quorum}");
}

#[tokio::test]
async fn a_worker_on_classic_queues_says_so_when_it_starts() {
    // No broker: the queues of the shared one are quorum, and the sentence comes first.
    let closed = format!("amqp://127.0.0.1:{}/%2f", postrider_tests::servers::free_port());
    let setup = Setup::new("classic").text("topology.queue_type", "classic").text("amqp.url", &closed);

    let mut worker = setup.spawn::<&str>([], NO_ENV);

    let says = |line: &str| line.contains("WARN") && line.contains("may lose retries");
    worker.wait_for_line(says, PATIENCE).await;
}

/// What `config dump` shows with these flags and this environment.
async fn dump(setup: &Setup, flags: &[&str], env: &[(&str, &str)]) -> Value {
    let args = [&["config", "dump"], flags].concat();
    let Output { status, text } = ended(setup.spawn(args, env.iter().copied())).await;
    assert!(status.success(), "{text}");
    serde_json::from_str(&text).expect("the dump is JSON")
}

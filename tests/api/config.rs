//! The configuration: its layers, what is shown of it, and what is not.

use std::fs;

use postrider_tests::{
    api::ApiSetup,
    servers::Proc,
    worker::{Output, Setup, ended},
};
use serde_json::{Value, json};

/// What `config dump` shows with these flags and this environment.
async fn dump(api: &ApiSetup, flags: &[&str], env: &[(&str, &str)]) -> Value {
    let Output { status, text } = api.command(&[&["config", "dump"], flags].concat(), env).await;
    assert_eq!(status.code(), Some(0), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("the dump is not JSON: {text}"))
}

#[tokio::test]
async fn a_good_configuration_is_called_so_and_the_manual_is_one() {
    let setup = Setup::new("good");
    let api = ApiSetup::new(&setup);

    let checked = api.command(&["config", "check"], &[]).await;
    let manual = api.command(&["config", "default"], &[]).await;

    assert_eq!((checked.status.code(), checked.text.as_str()), (Some(0), "The configuration can be used."));
    for section in [
        "[http]",
        "[redis]",
        "[amqp]",
        "[queue]",
        "[keys]",
        "[phone]",
        "[codes]",
        "[throttle]",
        "[shop]",
        "[log]",
    ] {
        assert!(manual.text.lines().any(|line| line == section), "{section}");
    }
    let file = setup.path("manual.toml");
    fs::write(&file, &manual.text).unwrap();
    let [pepper, seal] = ["pepper", "seal"].map(|name| setup.path(name).to_string_lossy().into_owned());
    let env = [("POSTRIDER__KEYS__PEPPER_FILE", &pepper), ("POSTRIDER__KEYS__SEAL_FILE", &seal)];
    let file = file.to_string_lossy().into_owned();
    let Output { status, text } =
        ended(Proc::start("postrider-api", ["--config", &file, "config", "check"], env)).await;
    assert_eq!(status.code(), Some(0), "{text}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let setup = Setup::new("file");
    let (missing, broken) = (setup.path("missing.toml"), setup.path("broken.toml"));
    fs::write(&broken, "[http\nworkers = 5").unwrap();

    for path in [missing, broken] {
        let path = path.to_string_lossy().into_owned();
        let none: [(&str, &str); 0] = [];
        let Output { status, text } = ended(Proc::start("postrider-api", ["--config", &path], none)).await;
        assert_eq!(status.code(), Some(78), "{text}");
        assert!(text.contains(&path), "{text}");
    }
}

#[tokio::test]
async fn flags_stand_above_the_environment_the_environment_above_the_file_and_the_file_above_the_defaults() {
    let setup = Setup::new("layers");
    let api = ApiSetup::new(&setup)
        .set("http.workers", "3")
        .text("http.listen", "127.0.0.1:1")
        .text("redis.prefix", "from-file")
        .text("log.level", "info");
    let env = [
        ("POSTRIDER__HTTP__WORKERS", "4"),
        ("POSTRIDER__HTTP__LISTEN", "127.0.0.1:2"),
        ("POSTRIDER__LOG__LEVEL", "warning"),
        // Empty is not given.
        ("POSTRIDER__REDIS__PREFIX", ""),
    ];

    let file = dump(&api, &[], &[]).await;
    let environment = dump(&api, &[], &env).await;
    let flags = dump(&api, &["--listen", "127.0.0.1:3", "-l", "error"], &env).await;

    assert_eq!((&file["http"]["workers"], &file["http"]["listen"]), (&json!(3), &json!("127.0.0.1:1")));
    assert_eq!((&file["redis"]["prefix"], &file["log"]["level"]), (&json!("from-file"), &json!("info")));
    assert_eq!(
        (&file["codes"]["ttl"], &file["http"]["keep_alive"]),
        (&json!("5m"), &json!("15s")),
        "defaults"
    );
    assert_eq!(environment["http"]["workers"], 4);
    assert_eq!(environment["http"]["listen"], "127.0.0.1:2");
    assert_eq!(
        (&environment["redis"]["prefix"], &environment["log"]["level"]),
        (&json!("from-file"), &json!("warning"))
    );
    assert_eq!((&flags["http"]["listen"], &flags["log"]["level"]), (&json!("127.0.0.1:3"), &json!("error")));
    assert_eq!(flags["http"]["workers"], 4);
}

#[tokio::test]
async fn a_list_may_be_given_in_the_environment_with_commas() {
    let setup = Setup::new("list");
    let env = [
        ("POSTRIDER__HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1,192.0.2.1"),
        ("POSTRIDER__PHONE__DENIED_RANGES", "+86170"),
    ];

    let dump = dump(&ApiSetup::new(&setup), &[], &env).await;
    let checked = ApiSetup::new(&setup).command(&["config", "check"], &env).await;
    let bad = ApiSetup::new(&setup)
        .command(&["config", "check"], &[("POSTRIDER__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,nonsense")])
        .await;

    assert_eq!(dump["http"]["trusted_proxies"], json!(["10.0.0.0/8", "::1", "192.0.2.1"]));
    assert_eq!(dump["phone"]["denied_ranges"], json!(["+86170"]));
    assert!(checked.status.success(), "{}", checked.text);
    assert_eq!(bad.status.code(), Some(78));
    assert!(bad.text.contains("http.trusted_proxies") && bad.text.contains("nonsense"), "{}", bad.text);
}

#[tokio::test]
async fn a_list_of_the_environment_holds_for_requests() {
    let setup = Setup::new("list-holds");
    let api = ApiSetup::new(&setup).open().set("throttle.ip", r#"[{ window = "1h", max = 1 }]"#);
    let process = api.spawn_with(&[], &[("POSTRIDER__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1")]);
    let api = postrider_tests::api::Api::of(process, None).await;
    assert!(api.becomes_ready(super::SOON).await);

    let mut statuses = Vec::new();
    for (index, hop) in ["203.0.113.1", "203.0.113.2", "203.0.113.1, 10.1.1.1"].into_iter().enumerate() {
        let body = json!({"to": format!("+8613900000{index:03}")});
        let shape = |request: reqwest::RequestBuilder| request.header("x-forwarded-for", hop).json(&body);
        statuses.push(api.request("POST", "/v1/verifications", shape).await.status);
    }

    assert_eq!(statuses, [201, 201, 429]);
    api.finish().await;
    assert_eq!(super::discard(&setup).await, 2);
}

#[tokio::test]
async fn a_dump_shows_no_key_no_hash_and_no_password() {
    let setup = Setup::new("secrets");
    let api = ApiSetup::new(&setup)
        .text("amqp.url", "amqp://me:s3cret-a@127.0.0.1/%2f")
        .text("redis.url", "redis://:s3cret@r@127.0.0.1/0")
        .text("shop.django_redis_url", "redis://me:s3cret@127.0.0.1/2")
        .app(&format!("name = \"b\"\nsecret_key_hashes = [\"sha256:{}\"]", "ab".repeat(32)));

    let text = api.command(&["config", "dump"], &[]).await.text;

    for secret in ["s3cret", "me:", "abababab", postrider_tests::api::SECRET_KEY] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for file in ["pepper", "seal"] {
        let line = fs::read_to_string(setup.path(file)).unwrap();
        let key = line.split_whitespace().nth(1).expect("an id and a key");
        assert!(!text.contains(key), "{text}");
    }
    assert!(text.contains("amqp://******@127.0.0.1/%2f") && text.contains("sha256:******"), "{text}");
    // A wrong address is named by its key, and its password is not.
    for (key, url) in [
        ("amqp.url", "http://me:s3cret@x"),
        ("redis.url", "rds://me:s3cret@x"),
        ("shop.django_redis_url", "rds://me:s3cret@x"),
    ] {
        let Output { status, text } =
            ApiSetup::new(&setup).text(key, url).command(&["config", "check"], &[]).await;
        assert_eq!(status.code(), Some(78), "{key}: {text}");
        assert!(text.contains(key) && !text.contains("s3cret"), "{key}: {text}");
    }
}

#[tokio::test]
async fn a_command_line_that_cannot_be_read_ends_with_two() {
    let setup = Setup::new("usage");
    for args in [&["--port", "80"][..], &["config", "destroy"], &["key", "generate", "--kind", "iron"]] {
        let Output { status, text } = ApiSetup::new(&setup).command(args, &[]).await;
        assert_eq!(status.code(), Some(2), "{args:?}: {text}");
    }
    let listen = ApiSetup::new(&setup).command(&["--listen", "nowhere"], &[]).await;
    assert_eq!(listen.status.code(), Some(78), "{}", listen.text);
    assert!(listen.text.contains("http.listen"), "{}", listen.text);
}

//! Configurations that cannot be used: exit code 78 before a port is bound, and a text that names the key.

use std::{fs, net::TcpListener};

use lapin::types::FieldTable;
use postrider_tests::{
    api::ApiSetup,
    servers::Redis,
    worker::{Output, PATIENCE, Setup, ended},
};

/// Starts on a port that is taken: whoever binds it before looking at the configuration ends with 1.
async fn refused(api: ApiSetup, env: &[(&str, &str)]) -> String {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let Output { status, text } = api.text("http.listen", &address).command(&[], env).await;
    assert_eq!(status.code(), Some(78), "{text}");
    assert!(!text.contains("listening on"), "{text}");
    text
}

#[tokio::test]
async fn a_value_that_cannot_be_used_is_named_by_its_key_before_a_port_is_bound() {
    let cases = [
        ("http.lisen", "\"127.0.0.1:0\"", "lisen"),
        ("htpp.workers", "2", "htpp"),
        ("http.workers", "0", "http.workers"),
        ("http.request_timeout", "\"5 parsecs\"", "http.request_timeout"),
        ("http.drain_delay", "5", "http.drain_delay"),
        ("http.trusted_proxies", r#"["10.0.0.0/33"]"#, "http.trusted_proxies"),
        ("http.trusted_proxies", r#"["proxy.example.com"]"#, "http.trusted_proxies"),
        ("redis.url", "\"127.0.0.1:6379\"", "redis.url"),
        ("redis.timeout", "\"0s\"", "redis.timeout"),
        ("redis.eviction", "\"maybe\"", "redis.eviction"),
        ("amqp.url", "\"http://127.0.0.1\"", "amqp.url"),
        ("amqp.heartbeat", "\"10m\"", "amqp.heartbeat"),
        ("queue.name", "\"sms.dead\"", "queue.name"),
        ("queue.type", "\"stream\"", "queue.type"),
        ("queue.payload", "\"open\"", "queue.payload"),
        ("phone.check", "\"none\"", "phone.check"),
        ("phone.denied_ranges", r#"["170"]"#, "phone.denied_ranges"),
        ("codes.ttl", "\"29s\"", "codes.ttl"),
        ("codes.ttl", "\"601s\"", "codes.ttl"),
        ("codes.ttl", "300", "codes.ttl"),
        ("codes.max_checks", "0", "codes.max_checks"),
        ("throttle.number", "[]", "throttle.number"),
        ("throttle.ip", r#"[{ window = "0s", max = 1 }]"#, "throttle.ip"),
        ("shop.app", "\"nobody\"", "shop.app"),
        ("shop.captcha_ttl", "\"3m\"", "shop.captcha_ttl"),
        ("shop.max_captchas", "0", "shop.max_captchas"),
        ("shop.captcha_ip", "[]", "shop.captcha_ip"),
        ("shop.django_redis_url", "\"127.0.0.1:6379\"", "shop.django_redis_url"),
        ("log.level", "\"no=such=level\"", "log.level"),
        ("log.format", "\"xml\"", "log.format"),
        ("keys.pepper_file", "\"/nowhere/pepper\"", "keys.pepper_file"),
        ("keys.seal_file", "\"/nowhere/seal\"", "keys.seal_file"),
    ];
    let setup = Setup::new("refused");
    for (key, value, named) in cases {
        let text = refused(ApiSetup::new(&setup).set(key, value), &[]).await;
        assert!(text.contains(named), "{key} = {value}: {text}");
        assert_eq!(text.lines().count(), 1, "{key} = {value}: {text}");
        let checked = ApiSetup::new(&setup).set(key, value).command(&["config", "check"], &[]).await;
        assert_eq!(checked.status.code(), Some(78), "{key} = {value}: {}", checked.text);
        assert!(checked.text.contains(named), "{key} = {value}: {}", checked.text);
    }
}

#[tokio::test]
async fn an_unknown_key_in_the_environment_is_named() {
    let setup = Setup::new("refused-env");
    for (name, named) in [
        ("POSTRIDER__HTTP__LISEN", "lisen"),
        ("POSTRIDER__HTPP__LISTEN", "htpp"),
        ("POSTRIDER__CODES__TTL__SECONDS", "codes.ttl"),
    ] {
        let text = refused(ApiSetup::new(&setup), &[(name, "5")]).await;
        assert!(text.contains(named), "{name}: {text}");
    }
    let text = refused(ApiSetup::new(&setup), &[("POSTRIDER__CODES__TTL", "1d")]).await;
    assert!(text.contains("codes.ttl"), "{text}");
}

#[tokio::test]
async fn without_pepper_or_seal_nothing_starts_and_the_command_that_makes_one_is_told() {
    let setup = Setup::new("no-keys");
    for (key, kind) in [("keys.pepper_file", "pepper"), ("keys.seal_file", "seal")] {
        let text = refused(ApiSetup::new(&setup).without(key), &[]).await;
        assert!(text.contains(key) && text.contains(&format!("key generate --kind {kind}")), "{text}");

        let empty = setup.path("empty");
        fs::write(&empty, "\n").unwrap();
        let text = refused(ApiSetup::new(&setup).text(key, &empty.to_string_lossy()), &[]).await;
        assert!(text.contains(key) && text.contains("empty"), "{text}");

        let secret = "00112233445566778899aabbccddeeff0011223344556677889";
        let broken = setup.path("broken");
        fs::write(&broken, format!("k1 {secret}\n")).unwrap();
        let text = refused(ApiSetup::new(&setup).text(key, &broken.to_string_lossy()), &[]).await;
        assert!(text.contains(key) && !text.contains(&secret[..16]), "{text}");
    }
}

#[tokio::test]
async fn a_broken_app_is_refused_and_its_hash_is_not_shown() {
    let hash = format!("sha256:{}", "ab".repeat(32));
    let app = |lines: &str| format!("name = \"two\"\n{lines}");
    let cases = [
        (app("secret_key_hashes = []"), "apps.secret_key_hashes"),
        (app(&format!("secret_key_hashes = [\"{}\"]", &hash[..60])), "secret_key_hashes"),
        (app("secret_key_hashes = [\"prk_0123456789abcdef\"]"), "secret_key_hashes"),
        (app(&format!("secret_key_hashes = [\"{hash}\", \"{hash}\"]")), "apps.secret_key_hashes"),
        (app(&format!("secret_key_hashes = [\"{hash}\"]\ndefault_region = \"XX\"")), "apps.default_region"),
        (app(&format!("secret_key_hashes = [\"{hash}\"]\nregion = \"CN\"")), "region"),
        (format!("name = \"shop\"\nsecret_key_hashes = [\"{hash}\"]"), "apps.name"),
        (format!("name = \"a b\"\nsecret_key_hashes = [\"{hash}\"]"), "apps.name"),
        (format!("secret_key_hashes = [\"{hash}\"]"), "name"),
    ];
    let setup = Setup::new("broken-app");
    for (lines, named) in cases {
        let text = refused(ApiSetup::new(&setup).app(&lines), &[]).await;
        assert!(text.contains(named), "{lines}: {text}");
        assert!(!text.contains("abababab") && !text.contains("0123456789abcdef"), "{lines}: {text}");
    }
}

#[tokio::test]
async fn without_apps_only_loopback_is_listened_on() {
    let setup = Setup::new("loopback");
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let Output { status, text } =
            ApiSetup::new(&setup).open().text("http.listen", listen).command(&[], &[]).await;
        assert_eq!(status.code(), Some(78), "{listen}: {text}");
        assert!(text.contains("http.listen") && text.contains("[[apps]]"), "{listen}: {text}");
        let Output { status, text } = ApiSetup::new(&setup).open().command(&["--listen", listen], &[]).await;
        assert_eq!(status.code(), Some(78), "--listen {listen}: {text}");
    }

    let api = ApiSetup::new(&setup).open().start().await;
    let log = api.finish().await;
    assert!(log.contains("no [[apps]]") && log.contains("loopback only"), "{log}");
    super::discard(&setup).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_no_fault_of_the_configuration() {
    let setup = Setup::new("taken");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let Output { status, text } = ApiSetup::new(&setup).text("http.listen", &address).command(&[], &[]).await;

    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("http.listen") && text.contains(&address), "{text}");
    super::discard(&setup).await;
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused_with_the_setting_to_change() {
    let mut redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let setup = Setup::new("evicts").redis(&redis.url());

    let text = refused(ApiSetup::new(&setup), &[]).await;
    let accepted = ApiSetup::new(&setup).text("redis.eviction", "accepted").start().await;
    let log = accepted.finish().await;

    for part in ["redis.eviction", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(log.contains("the configuration accepts it"), "{log}");
    // One that does not answer at the start is looked at as soon as it does.
    redis.stop().await;
    let mut late = ApiSetup::new(&setup).spawn(&[]);
    late.wait_for_line(|line| line.contains("Redis does not answer yet"), PATIENCE).await;
    redis.start_again().await;
    let Output { status, text } = ended(late).await;
    assert_eq!(status.code(), Some(78), "{text}");
    assert!(text.contains("CONFIG SET maxmemory-policy noeviction"), "{text}");
    super::discard(&setup).await;
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_refused_with_one_clear_message() {
    let setup = Setup::new("other-arguments");
    setup.amqp().await.declare(&setup.queue, FieldTable::default()).await;

    let text = refused(ApiSetup::new(&setup), &[]).await;

    let says = format!("queue.type: the queue {} exists with other arguments", setup.queue);
    assert_eq!(text.matches(&says).count(), 1, "{text}");
    let classic = ApiSetup::new(&setup).text("queue.type", "classic").start().await;
    let log = classic.finish().await;
    assert!(log.contains("a classic queue may lose what waits in it"), "{log}");
    assert_eq!(super::discard(&setup).await, 0);
}

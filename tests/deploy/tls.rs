//! TLS to both servers with the shipped files: a private authority is trusted by `SSL_CERT_FILE`, and nobody else is.

use std::fs;

use postrider_tests::{
    api::Api,
    provider::Provider,
    servers::free_port,
    worker::{PATIENCE, Setup},
};

use crate::{
    SOON,
    certificates::Certificates,
    shipped::{self, Broker, Store},
};

const FILES: [&str; 3] = ["server.pem", "server.key", "ca.pem"];

/// The file with the paths of its certificates put in.
fn with_certificates(name: &str, folder: &str, certificates: &Certificates) -> String {
    let ours = FILES.map(|file| (format!("{folder}/{file}"), certificates.text(file)));
    let places: Vec<(&str, &str)> =
        ours.iter().map(|(place, path)| (place.as_str(), path.as_str())).collect();
    shipped::text(name, &places)
}

/// An address over TLS to that port, by a name that is in the certificate.
fn over_tls(url: &str, port: u16) -> String {
    let (scheme, rest) = url.split_once("://").expect("an address");
    let (user, place) = rest.split_once('@').expect("with a user");
    let path = place.split_once('/').map_or("", |(_, path)| path);
    format!("{scheme}s://{user}@localhost:{port}/{path}")
}

#[tokio::test]
async fn the_main_job_runs_over_tls_and_an_unknown_authority_is_not_trusted() {
    let certificates = Certificates::new();
    let (amqps, rediss) = (free_port(), free_port());
    let tls = with_certificates("rabbitmq/tls.conf", "/etc/rabbitmq/tls", &certificates);
    let tls =
        tls.replace("listeners.ssl.default = 5671", &format!("listeners.ssl.default = 127.0.0.1:{amqps}"));
    let broker = Broker::start(&[("21-postrider-tls.conf", tls)]).await;
    let provider = Provider::start().await;
    let setup = Setup::new("tls").provider(&provider);
    let file = setup.path("redis-tls.conf");
    fs::write(&file, with_certificates("redis/tls.conf", "/etc/redis/tls", &certificates)).unwrap();
    let store = Store::start(
        &setup.prefix,
        &["--include", &file.to_string_lossy(), "--tls-port", &rediss.to_string()],
    )
    .await;
    broker.set_up(&["--queue", &setup.queue]);
    let setup = setup
        .broker(&over_tls(&broker.url("postrider-topology"), amqps))
        .redis(&over_tls(&store.url("postrider-worker"), rediss));
    let ca = certificates.text("ca.pem");
    let trusting = [("SSL_CERT_FILE", ca.as_str())];

    // Without the authority neither server is believed, and nothing is said to it.
    let mut stranger = setup.spawn(["topology", "check"], [("SSL_CERT_FILE", "/dev/null")]);
    assert_eq!(stranger.wait(PATIENCE).await.code(), Some(1), "{}", stranger.log());
    let applied = postrider_tests::worker::ended(setup.spawn(["topology", "apply"], trusting)).await;
    assert!(applied.status.success(), "{}", applied.text);
    let other = Certificates::new();
    let setup = setup.broker(&over_tls(&broker.url("postrider-worker"), amqps)).set("amqp.declare", "false");
    let no_env = [("SSL_CERT_FILE", other.path("ca.pem").to_string_lossy().into_owned())];
    let mut deaf = setup.spawn::<&str>([], no_env.iter().map(|(name, value)| (*name, value.as_str())));
    deaf.wait_for_line(
        |line| line.contains("Redis does not answer") && line.contains("invalid peer certificate"),
        PATIENCE,
    )
    .await;
    deaf.wait_for_line(
        |line| line.contains("broker connection is down") && line.contains("invalid peer certificate"),
        PATIENCE,
    )
    .await;
    deaf.sigkill();

    let mut worker = setup.spawn::<&str>([], trusting);
    worker.wait_for_line(|line| line.contains("consuming"), PATIENCE).await;
    let api = shipped::api(
        &setup,
        &over_tls(&broker.url("postrider-api"), amqps),
        &over_tls(&store.url("postrider-api"), rediss),
    );
    let api = Api::of(api.spawn_with(&[], &trusting), Some(postrider_tests::api::SECRET_KEY)).await;
    assert!(api.becomes_ready(SOON).await, "{}", api.process.log());
    let created = api.create("+8613800138000").await;
    assert_eq!(created.status, 201, "{}", created.text);
    let sent = provider.wait_for(1, SOON).await.remove(0);
    assert_eq!(api.check(created.id(), &sent.code).await.status, 200);
    api.finish().await;
    worker.sigterm();
    worker.wait(PATIENCE).await;
}

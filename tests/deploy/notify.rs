//! `Type=notify`: what the processes tell the service manager, and when.

use postrider_tests::{
    api::{Api, ApiSetup, SECRET_KEY},
    servers::{eventually, free_port},
    worker::{PATIENCE, Setup},
};

use super::{SOON, service::Service};

fn dead_broker() -> String {
    format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port())
}

#[tokio::test]
async fn the_api_is_ready_when_it_answers_readyz_and_says_that_it_stops() {
    let setup = Setup::new("notify-api");
    let config = ApiSetup::new(&setup).write();
    let mut service = Service::start("postrider-api", &config, &[]);

    assert!(service.says("READY=1", PATIENCE).await, "{}", service.process.log());
    let address = service.status().rsplit(' ').next().expect("a word").to_owned();
    let ready = reqwest::get(format!("http://{address}/readyz")).await.expect("it listens").status();
    service.process.sigterm();
    let status = service.process.wait(PATIENCE).await;

    assert_eq!(ready, 200);
    assert!(service.has_said("STOPPING=1"), "{:?}", service.told());
    assert!(service.status().starts_with("Stopping: "), "{}", service.status());
    assert_eq!(status.code(), Some(0), "{}", service.process.log());
    setup.clean_up().await;
}

#[tokio::test]
async fn the_worker_is_ready_when_it_consumes_and_says_that_it_stops() {
    let setup = Setup::new("notify-worker");
    let mut service = Service::start("postrider-worker", &setup.write(), &[]);

    assert!(service.says("READY=1", PATIENCE).await, "{}", service.process.log());
    assert!(
        service.process.log().contains("consuming"),
        "ready before it consumes: {}",
        service.process.log()
    );
    assert_eq!(service.status(), format!("Consuming from {}", setup.queue));
    service.process.sigterm();
    let status = service.process.wait(PATIENCE).await;

    assert!(service.has_said("STOPPING=1"), "{:?}", service.told());
    assert_eq!(status.code(), Some(0), "{}", service.process.log());
    setup.clean_up().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_reload_is_the_same_service_and_ready_again() {
    let setup = Setup::new("notify-reload");
    let mut service = Service::start("postrider-worker", &setup.write(), &[]);
    assert!(service.says("READY=1", PATIENCE).await, "{}", service.process.log());
    let pid = service.process.pid();

    service.process.signal("HUP");
    let ready_again = eventually(PATIENCE, async || {
        let told = service.told();
        told.iter().filter(|message| message.contains("READY=1")).count() == 2
    })
    .await;

    assert!(ready_again, "{:?}\n{}", service.told(), service.process.log());
    let told = service.told();
    let reloading = told.iter().find(|message| message.contains("RELOADING=1")).expect("it reloads");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(!service.has_said("STOPPING=1"), "{told:?}");
    assert_eq!(service.process.pid(), pid);
    service.process.sigterm();
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0), "{}", service.process.log());
    setup.clean_up().await;
}

#[tokio::test]
async fn without_a_broker_neither_is_ready_and_the_status_says_what_is_missing() {
    let setup = Setup::new("notify-none").broker(&dead_broker());
    let config = ApiSetup::new(&setup).write();
    let mut api = Service::start("postrider-api", &config, &[]);
    let mut worker = Service::start("postrider-worker", &setup.write(), &[]);

    for service in [&mut api, &mut worker] {
        let told =
            service.has_status(|status| status.starts_with("Not ready: RabbitMQ does not"), PATIENCE).await;
        assert!(told, "{:?}\n{}", service.told(), service.process.log());
    }
    // Both have tried again by now, and found it no better.
    for service in [&mut api, &mut worker] {
        service.process.wait_for_line(|line| line.contains("connecting again"), SOON).await;
        service.process.sigterm();
        service.process.wait(PATIENCE).await;
        assert!(!service.has_said("READY=1") && service.has_said("STOPPING=1"), "{:?}", service.told());
    }
}

#[tokio::test]
async fn a_service_manager_that_does_not_listen_is_logged_and_stops_nobody() {
    let setup = Setup::new("notify-deaf");
    let nobody = setup.path("nobody");
    let process = ApiSetup::new(&setup).spawn_with(&[], &[("NOTIFY_SOCKET", &nobody.to_string_lossy())]);
    let api = Api::of(process, Some(SECRET_KEY)).await;

    assert!(eventually(PATIENCE, async || api.get("/readyz").await.status == 200).await);
    let log = api.finish().await;

    assert_eq!(log.matches("the service manager cannot be told").count(), 1, "{log}");
    setup.clean_up().await;
}

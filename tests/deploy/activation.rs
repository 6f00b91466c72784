//! Sockets that systemd holds (`LISTEN_FDS`): served on in place of `http.listen`, under the same rules.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixListener,
};

use postrider_tests::{
    api::ApiSetup,
    servers::bin,
    worker::{PATIENCE, Setup},
};

use super::service::{Service, listening};

async fn status_of(address: &str) -> u16 {
    reqwest::get(format!("http://{address}/readyz")).await.expect("it is served on").status().as_u16()
}

#[tokio::test]
async fn every_socket_that_is_passed_is_served_and_the_configured_port_is_not_taken() {
    let setup = Setup::new("activated");
    let (free, configured) = listening(Ipv4Addr::LOCALHOST);
    drop(free);
    let config = ApiSetup::new(&setup).text("http.listen", &configured).write();
    let ((first, one), (second, two)) = (listening(Ipv4Addr::LOCALHOST), listening(Ipv4Addr::LOCALHOST));
    let sockets = vec![first.into(), second.into()];
    let mut service = Service::start_on(&bin("postrider-api"), &config, &[], sockets);

    assert!(service.says("READY=1", PATIENCE).await, "{}", service.process.log());

    assert_eq!((status_of(&one).await, status_of(&two).await), (200, 200));
    assert_eq!(service.status(), format!("Serving on {one}, {two}"));
    assert!(TcpStream::connect(&configured).is_err(), "{}", service.process.log());
    service.process.sigterm();
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0));
    setup.clean_up().await;
}

#[tokio::test]
async fn a_request_that_comes_while_nobody_serves_waits_in_the_socket() {
    let setup = Setup::new("handed-over");
    let config = ApiSetup::new(&setup).write();
    let (socket, address) = listening(Ipv4Addr::LOCALHOST);
    let start = || {
        let ours = socket.try_clone().expect("a descriptor is left");
        Service::start_on(&bin("postrider-api"), &config, &[], vec![ours.into()])
    };
    let mut first = start();
    assert!(first.says("READY=1", PATIENCE).await, "{}", first.process.log());
    first.process.sigterm();
    first.process.wait(PATIENCE).await;

    // Connected while there is no process at all; the answer is the second one's.
    let mut waiting = TcpStream::connect(&address).expect("the socket is there");
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut second = start();
    assert!(second.says("READY=1", PATIENCE).await, "{}", second.process.log());
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    second.process.sigterm();
    second.process.wait(PATIENCE).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn without_apps_a_socket_that_others_can_reach_is_refused() {
    let setup = Setup::new("activated-open");
    let config = ApiSetup::new(&setup).open().write();
    let (socket, _) = listening(Ipv4Addr::UNSPECIFIED);
    let mut service = Service::start_on(&bin("postrider-api"), &config, &[], vec![socket.into()]);

    let status = service.process.wait(PATIENCE).await;

    let log = service.process.log();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("a socket that systemd passed") && log.contains("0.0.0.0"), "{log}");
    assert!(!service.has_said("READY=1"));
}

#[tokio::test]
async fn a_socket_of_another_kind_is_refused_with_what_is_wrong() {
    let setup = Setup::new("activated-unix");
    let config = ApiSetup::new(&setup).write();
    let socket = UnixListener::bind(setup.path("socket")).unwrap();
    let mut service = Service::start_on(&bin("postrider-api"), &config, &[], vec![socket.into()]);

    let status = service.process.wait(PATIENCE).await;

    let log = service.process.log();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("a socket that systemd passed") && log.contains("tcp socket"), "{log}");
}

#[tokio::test]
async fn sockets_for_another_process_are_left_alone() {
    let setup = Setup::new("activated-other");
    let env = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];

    let process = ApiSetup::new(&setup).spawn_with(&[], &env);
    let api = postrider_tests::api::Api::of(process, None).await;

    assert!(!api.finish().await.contains("systemd"), "it listens on http.listen");
    setup.clean_up().await;
}

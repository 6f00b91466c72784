//! Whose address the limits count: the end user's, never the calling server's, and none that anybody can make up.

use futures::{StreamExt as _, stream};
use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, assert_limited, create_for, discard, redis_content};

/// Two sends for an address.
const TWO: &str = r#"[{ window = "1h", max = 2 }]"#;

fn number(index: usize) -> String {
    format!("+86139{index:08}")
}

/// Asks as a browser would, through proxies that wrote this.
async fn create_through(api: &Api, to: &str, forwarded: &str) -> Answer {
    let body = json!({"to": to, "purpose": "login", "signals": {"ip": forwarded.rsplit(", ").next()}});
    api.request("POST", "/v1/verifications", |request| {
        request.header("x-forwarded-for", forwarded).json(&body)
    })
    .await
}

fn assert_ip_limited(what: &str, answer: &Answer) {
    assert_limited(what, answer, "ip_limit_reached", 3600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_numbers_from_one_server_for_a_thousand_addresses_all_pass() {
    let setup = Setup::new("thousand");
    let api = ApiSetup::new(&setup).text("log.level", "info").start().await;

    let server = &api;
    let ask = |index: usize| async move {
        let ip = format!("203.0.{}.{}", index / 250, index % 250);
        create_for(server, &number(index), &ip).await.status
    };
    let statuses: Vec<u16> = stream::iter(0..1000).map(ask).buffer_unordered(32).collect().await;

    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1000, "{statuses:?}");
    api.finish().await;
    assert_eq!(discard(&setup).await, 1000);
}

#[tokio::test]
async fn one_address_is_limited_over_all_numbers_and_its_last_number_is_not_locked() {
    let setup = Setup::new("one-address");
    let api = ApiSetup::new(&setup).start().await;
    for index in 0..30 {
        let created = create_for(&api, &number(index), "203.0.113.7").await;
        assert_eq!(created.status, 201, "{index}: {}", created.text);
    }

    let denied = create_for(&api, &number(30), "203.0.113.7").await;
    let mapped = create_for(&api, &number(30), "::ffff:203.0.113.7").await;
    let elsewhere = create_for(&api, &number(30), "203.0.113.8").await;

    assert_limited("the 31st in five minutes", &denied, "ip_limit_reached", 300);
    assert_limited("the same address in IPv6 form", &mapped, "ip_limit_reached", 300);
    assert_eq!(elsewhere.status, 201, "a send that the address was denied costs the number nothing");
    api.finish().await;
    assert_eq!(discard(&setup).await, 31);
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_network_are_one() {
    let setup = Setup::new("ipv6");
    let api = ApiSetup::new(&setup).set("throttle.ip", TWO).start().await;

    let first = create_for(&api, &number(1), "2001:db8:1:2::1").await;
    let second = create_for(&api, &number(2), "2001:DB8:1:2:ffff:ffff:ffff:ffff").await;
    let third = create_for(&api, &number(3), "2001:db8:1:2:0:0:0:9").await;
    let neighbour = create_for(&api, &number(3), "2001:db8:1:3::1").await;

    assert_eq!([first.status, second.status, neighbour.status], [201; 3]);
    assert_ip_limited("a third of the /64", &third);
    api.finish().await;
    assert_eq!(discard(&setup).await, 3);
}

#[tokio::test]
async fn requests_without_an_address_pass_are_counted_and_said_once() {
    let setup = Setup::new("no-address");
    let api = ApiSetup::new(&setup).set("throttle.ip", TWO).start().await;

    for index in 0..3 {
        let created = api.create(&number(index)).await;
        assert_eq!(created.status, 201, "{}", created.text);
    }
    // The calling server's own address is no end user's, and neither is what it forwards.
    for index in 3..6 {
        let body = json!({"to": number(index), "signals": {}});
        let forwarded = api
            .request("POST", "/v1/verifications", |request| {
                request.header("x-forwarded-for", "203.0.113.7").json(&body)
            })
            .await;
        assert_eq!(forwarded.status, 201, "{}", forwarded.text);
    }

    let metrics = api.get("/metrics").await.text;
    assert!(metrics.contains("\npostrider_ip_unknown_total 6\n"), "{metrics}");
    let log = api.finish().await;
    assert_eq!(log.matches("requests without `signals.ip`").count(), 1, "{log}");
    assert_eq!(discard(&setup).await, 6);
}

#[tokio::test]
async fn without_a_key_a_forged_address_changes_nothing_and_a_denied_request_writes_nothing() {
    let setup = Setup::new("forged");
    let api = ApiSetup::new(&setup).open().set("throttle.ip", TWO).start().await;

    let first = create_through(&api, &number(1), "203.0.113.1").await;
    let second = create_through(&api, &number(2), "203.0.113.2").await;
    let before = redis_content(&setup).await;
    let third = create_through(&api, &number(3), "203.0.113.3").await;
    let fourth = create_through(&api, NUMBER, "10.0.0.1, 127.0.0.1").await;

    assert_eq!([first.status, second.status], [201; 2], "{}", first.text);
    assert_ip_limited("another forged address", &third);
    assert_ip_limited("a forged chain", &fourth);
    assert_eq!(before.len(), 2 + 1 + 2 * 2, "two numbers, the peer, two verifications: {before:?}");
    assert_eq!(redis_content(&setup).await, before);
    let metrics = api.get("/metrics").await.text;
    assert!(!metrics.contains("\npostrider_ip_unknown_total "), "the peer's address is known: {metrics}");
    api.finish().await;
    assert_eq!(discard(&setup).await, 2);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_right_most_hop_that_is_none_counts() {
    let setup = Setup::new("proxies");
    let api = ApiSetup::new(&setup)
        .open()
        .set("throttle.ip", TWO)
        .set("http.trusted_proxies", r#"["127.0.0.1/32", "10.0.0.0/8"]"#)
        .start()
        .await;

    let first = create_through(&api, &number(1), "203.0.113.7").await;
    let second = create_through(&api, &number(2), "198.51.100.1, 203.0.113.7").await;
    let third = create_through(&api, &number(3), "198.51.100.2, 203.0.113.7, 10.1.2.3").await;
    let elsewhere = create_through(&api, &number(3), "203.0.113.7, 203.0.113.8").await;

    assert_eq!([first.status, second.status, elsewhere.status], [201; 3], "{}", elsewhere.text);
    assert_ip_limited("the same hop with other words left and right of it", &third);
    api.finish().await;
    assert_eq!(discard(&setup).await, 3);
}

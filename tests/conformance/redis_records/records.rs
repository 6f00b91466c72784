//! The keys and their values.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::cmd;
use postrider_core::codes::Verdict;
use postrider_core::throttle::{Asker, Decision};
use postrider_core::verification::{DeliveryState, VerificationId};
use postrider_delivery::send_record::{Claimed, Finish};
use uuid::Uuid;

use super::{CODE, IP, NUMBER, Stores};
use crate::rig::on_redis;
use crate::throttle::{DAY, HOUR, MINUTE, limits};

/// What stands in a key: the bytes of its value, and its fields when it is a hash, or its members when it is a
/// sorted set.
async fn value(connection: &mut MultiplexedConnection, key: &str) -> (Vec<u8>, Vec<(String, String)>) {
    let kind: String = cmd("TYPE").arg(key).query_async(connection).await.unwrap();
    match kind.as_str() {
        "string" => (cmd("GET").arg(key).query_async(connection).await.unwrap(), Vec::new()),
        "hash" => (Vec::new(), cmd("HGETALL").arg(key).query_async(connection).await.unwrap()),
        "zset" => {
            let range = cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").to_owned();
            (Vec::new(), range.query_async(connection).await.unwrap())
        }
        other => panic!("{key} is a {other}"),
    }
}

#[test]
fn every_record_carries_a_version_and_runs_out() {
    on_redis(async |rig| {
        let stores = Stores::of(rig);
        stores.verify(async || {}).await;
        stores.answer(&async || {}).await;
        let (keys, mut connection) = (rig.keys().await, rig.connection().await);

        // Both codes were asked for by a number of their own, and so two throttle keys more than the journey has.
        assert_eq!(keys.len(), 9, "{keys:?}");
        for key in keys {
            let (bytes, fields) = value(&mut connection, &key).await;
            let kind = key.strip_prefix(rig.under().1).unwrap().split(':').nth(1).unwrap();
            match kind {
                "throttle" => assert!(bytes[0] == 1 && bytes.len() == 9, "{key}"),
                "verification" | "send" | "captcha" => {
                    assert!(fields.contains(&("v".into(), "1".into())), "{key}");
                }
                // It names a record and is none.
                "latest" => drop(String::from_utf8(bytes).unwrap().parse::<VerificationId>().unwrap()),
                "captchas" => {
                    let ids: Vec<_> = fields.iter().map(|(id, _)| id.parse::<Uuid>().unwrap()).collect();
                    assert_eq!(ids.len(), 1, "the one that was answered is gone: {ids:?}");
                }
                other => panic!("unknown kind of key {other}"),
            }
            let left: i64 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert!((1..=2 * DAY).contains(&left), "{key} lives for {left} ms");
        }
    });
}

#[test]
fn no_key_and_no_value_holds_the_number_the_address_the_code_or_the_text_of_a_picture() {
    on_redis(async |rig| {
        let stores = Stores::of(rig);
        stores.verify(async || {}).await;
        let shown = stores.answer(&async || {}).await;
        let (keys, mut connection) = (rig.keys().await, rig.connection().await);

        for key in keys {
            let (bytes, fields) = value(&mut connection, &key).await;
            let text = format!("{key} {} {fields:?}", String::from_utf8_lossy(&bytes));
            for secret in [&NUMBER[1..], &NUMBER[3..], IP, CODE, shown.expose()] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    });
}

#[test]
fn a_denied_send_writes_nothing() {
    on_redis(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1)], &[(HOUR, 1)]));
        let asker = |number: &str, ip: &str| Asker { number: vec![number.into()], ip: vec![ip.into()] };
        assert!(matches!(throttle.acquire(asker("number", "ip")).await.unwrap(), Decision::Granted(_)));
        let (keys, mut connection) = (rig.keys().await, rig.connection().await);
        let before = [value(&mut connection, &keys[0]).await, value(&mut connection, &keys[1]).await];

        rig.pass(1);
        for (number, ip) in [("number", "ip"), ("number", "other"), ("other", "ip")] {
            assert!(matches!(throttle.acquire(asker(number, ip)).await.unwrap(), Decision::Denied { .. }));
        }

        assert_eq!(rig.keys().await, keys);
        let after = [value(&mut connection, &keys[0]).await, value(&mut connection, &keys[1]).await];
        assert_eq!(after, before);
    });
}

#[test]
fn asking_about_what_is_not_there_writes_nothing() {
    on_redis(async |rig| {
        let stores = Stores::of(rig);
        let code = stores.code();

        assert_eq!(stores.codes.check(&code.id, "shop", &[]).await.unwrap(), Verdict::NotFound);
        assert_eq!(stores.codes.get(&code.id, "shop").await.unwrap(), None);
        assert!(!stores.codes.delivery(&code.id, DeliveryState::Failed).await.unwrap());
        stores.codes.withdraw(&code).await.unwrap();
        assert_eq!(stores.codes.latest(&[code.latest]).await.unwrap(), None);
        assert_eq!(stores.captchas.peek(Uuid::nil()).await.unwrap(), None);
        assert_eq!(stores.captchas.take(Uuid::nil()).await.unwrap(), None);

        assert_eq!(rig.keys().await, Vec::<String>::new());
    });
}

#[test]
fn readers_pass_over_fields_that_they_do_not_know() {
    on_redis(async |rig| {
        let stores = Stores::of(rig);
        let (codes, records) = (&stores.codes, &stores.records);
        let code = stores.code();
        codes.issue(&code).await.unwrap();
        stores.captchas.put(Uuid::nil(), "sealed").await.unwrap();
        let Claimed::Granted(turn) = records.claim(&Stores::task(&code)).await.unwrap() else { panic!() };
        let mut connection = rig.connection().await;
        let is_record = |key: &&String| {
            !key.contains(":latest:") && !key.contains(":throttle:") && !key.ends_with(":captchas")
        };
        for key in rig.keys().await.iter().filter(is_record) {
            let mut set = cmd("HSET");
            set.arg(key).arg("channel").arg("voice").arg("a\0b").arg("").arg("0").arg("1");
            set.exec_async(&mut connection).await.unwrap();
        }

        assert!(records.finish(&turn, &Finish::Sent).await.unwrap());
        assert_eq!(records.claim(&Stores::task(&code)).await.unwrap(), Claimed::Sent);
        assert!(codes.delivery(&code.id, DeliveryState::Sent).await.unwrap());
        let read = codes.get(&code.id, &code.app).await.unwrap().unwrap();
        assert_eq!((read.checks_left, read.delivery), (5, DeliveryState::Sent));
        let right = codes.check(&code.id, &code.app, &stores.guess(&code, CODE)).await.unwrap();
        assert!(matches!(right, Verdict::Approved(_)));
        for read in [stores.captchas.peek(Uuid::nil()).await, stores.captchas.take(Uuid::nil()).await] {
            assert_eq!(read.unwrap().as_deref(), Some("sealed"));
        }
    });
}

#[test]
fn send_times_of_a_later_version_are_an_error_and_not_none() {
    on_redis(async |rig| {
        let throttle = rig.throttle(&limits(&[(MINUTE, 1)], &[(HOUR, 1)]));
        let asker = || Asker { number: vec!["number".into()], ip: Vec::new() };
        assert!(matches!(throttle.acquire(asker()).await.unwrap(), Decision::Granted(_)));
        let (keys, mut connection) = (rig.keys().await, rig.connection().await);

        let later: &[u8] = &[2, 0, 0, 0, 0, 0, 0, 0, 9];
        let () = cmd("SET").arg(&keys[0]).arg(later).query_async(&mut connection).await.unwrap();

        assert!(throttle.acquire(asker()).await.is_err());
    });
}

//! One server: prefixes that share it, scripts that it forgets, and the time that it tells.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deadpool_redis::redis::cmd;
use postrider_core::captchas::{CaptchaRules, Captchas, Put, RedisCaptchas};
use postrider_core::clock::Clock;
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::redis::Redis;
use postrider_core::throttle::{Asker, Decision};
use postrider_core::verification::VerificationId;
use postrider_delivery::send_record::{Claimed, RedisRecords, SendRecords};
use postrider_tests::servers;
use postrider_tests::stores::{IssueStores, Issuer};
use uuid::Uuid;

use super::{CODE, LEASE, Stores};
use crate::captchas::RULES;
use crate::codes::{TTL, new_code};
use crate::rig::{RUNTIME, Rig, at_once, config, fresh_prefix, now, on_redis};
use crate::throttle::{HOUR, MINUTE, limits};

#[test]
fn two_prefixes_on_one_redis_do_not_see_each_other() {
    on_redis(async |rig| {
        let other = Rig::redis(rig.under().0, &fresh_prefix(), rig.clock.clone());
        let (here, there) = (Stores::of(rig), Stores::of(&other));

        let code = here.verify(async || {}).await;
        assert_eq!(there.codes.get(&code.id, &code.app).await.unwrap(), None);
        assert_eq!(there.codes.latest(&[code.latest]).await.unwrap(), None);
        assert_eq!(other.keys().await, Vec::<String>::new());

        there.verify(async || {}).await;
        assert_eq!(other.keys().await.len(), rig.keys().await.len());
        other.remove_keys().await;
    });
}

#[test]
fn two_processes_on_one_redis_share_every_window_and_every_code() {
    on_redis(async |rig| {
        let (url, prefix) = rig.under();
        let other = Rig::redis(url, prefix, rig.clock.clone());
        let both = [Stores::of(rig), Stores::of(&other)];
        let code = both[0].code();
        both[0].codes.issue(&code).await.unwrap();

        let granted = at_once(100, |index| {
            let (throttle, asker) = (both[index % 2].throttle.clone(), both[index % 2].asker());
            async move { matches!(throttle.acquire(asker).await.unwrap(), Decision::Granted(_)) }
        });
        let approved = at_once(100, |index| {
            let (codes, code) = (both[index % 2].codes.clone(), code.clone());
            let guess = both[index % 2].guess(&code, CODE);
            async move { matches!(codes.check(&code.id, &code.app, &guess).await.unwrap(), Verdict::Approved(_)) }
        });

        assert_eq!(granted.await.into_iter().filter(|granted| *granted).count(), 1);
        assert_eq!(approved.await.into_iter().filter(|approved| *approved).count(), 1);
    });
}

/// On a server of its own: on the shared one, other tests would lose their scripts too.
#[test]
fn a_server_that_forgets_its_scripts_before_each_step_is_taught_them_again() {
    RUNTIME.block_on(async {
        let server = servers::Redis::start().await;
        let rig = Rig::redis(&server.url(), &fresh_prefix(), now());
        let (connection, forgotten) = (rig.connection().await, AtomicU32::new(0));
        let forget = async || {
            cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection.clone()).await.unwrap();
            forgotten.fetch_add(1, Ordering::Relaxed);
        };

        let stores = Stores::of(&rig);
        stores.answer(&forget).await;
        stores.verify(forget).await;

        assert_eq!(forgotten.into_inner(), 4 + 14);
        let every_key: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection.clone()).await.unwrap();
        let prefix = format!("{}:", rig.under().1);
        assert!(every_key.iter().all(|key| key.starts_with(&prefix)), "{every_key:?}");
    });
}

#[test]
fn without_a_manual_clock_the_time_is_that_of_redis() {
    on_redis(async |rig| {
        let (url, prefix) = rig.under();
        let redis = Redis::new(&config(url, prefix)).unwrap();
        let IssueStores { throttle, .. } = IssueStores::redis(&limits(&[(MINUTE, 1)], &[(HOUR, 5)]), &redis);
        let codes = Issuer::new(|limits| IssueStores::redis(limits, &redis));
        let records = SendRecords::Redis(RedisRecords::new(redis.clone()));
        let asker = Asker { number: vec!["number".into()], ip: vec!["ip".into()] };

        let Decision::Granted(grant) = throttle.acquire(asker).await.unwrap() else { panic!() };
        assert!((grant.at_ms - Clock::System.now_ms()).abs() < 5000);
        assert_eq!(grant.next_ms, grant.at_ms + MINUTE);
        assert!(throttle.release(&grant).await.unwrap());

        // The time in the rig's clock means nothing here.
        rig.pass(2 * TTL);
        let code = new_code();
        let over = NewCode { id: VerificationId::random(), ttl: Duration::ZERO, ..new_code() };
        for (code, verdict) in [(&code, Verdict::Incorrect { checks_left: 4 }), (&over, Verdict::Expired)] {
            codes.issue(code).await.unwrap();
            assert_eq!(codes.check(&code.id, &code.app, &[]).await.unwrap(), verdict);
        }

        let captchas = Captchas::Redis(RedisCaptchas::new(redis.clone(), CaptchaRules { max: 1, ..RULES }));
        assert_eq!(captchas.put(Uuid::nil(), "sealed").await.unwrap(), Put::Kept);
        let Put::Full { retry_after } = captchas.put(Uuid::max(), "sealed").await.unwrap() else { panic!() };
        assert!(retry_after <= RULES.ttl && retry_after + Duration::from_secs(5) > RULES.ttl);
        assert!(captchas.take(Uuid::nil()).await.unwrap().is_some());

        let claim = Stores::task(&code);
        let Claimed::Granted(turn) = records.claim(&claim).await.unwrap() else { panic!() };
        let life = turn.not_after.as_millisecond() - grant.at_ms;
        assert!((TTL..TTL + 5000).contains(&life), "{life}");
        let Claimed::Held(wait) = records.claim(&claim).await.unwrap() else { panic!() };
        assert!(wait <= LEASE && wait + LEASE / 6 > LEASE, "{wait:?}");
    });
}

//! What stands before the queue: core's producer on the real broker, sealed codes, and the verifications they belong to.

use std::time::Duration;

use jiff::Timestamp;
use postrider_core::{
    broker::topology::Topology,
    clock::Clock,
    code::Code,
    codes::NewCode,
    phone::{PhoneNumber, PhonePolicy},
    producer::Producer,
    redis::{Redis, RedisConfig},
    seal::KeyRing,
    shutdown::Shutdown,
    tasks::SendCode,
    verification::{DeliveryState, VerificationId},
};

use crate::{
    broker::connected,
    servers::shared_redis_url,
    stores::{IssueStores, Issuer},
    worker::Setup,
};

const TIMEOUT: Duration = Duration::from_secs(5);
const APP: &str = "shop";
const PURPOSE: &str = "login";

/// A verification whose code is to be sent.
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    to: PhoneNumber,
    code: Code,
    not_after: Timestamp,
    life: Duration,
}

impl Setup {
    /// Core's producer, once it is connected. It declares `topology` and the probe's queue.
    pub async fn producer(&self, topology: Topology) -> Producer {
        let broker = connected(&self.amqp_url, topology, &Shutdown::new()).await;
        Producer::new(broker, Clock::System, "test")
    }

    /// The codes that the worker writes back to.
    pub fn codes(&self) -> Issuer {
        let config = RedisConfig {
            url: shared_redis_url().into(),
            prefix: self.prefix.clone(),
            connections: 1,
            timeout: TIMEOUT,
        };
        let redis = Redis::new(&config).expect("the address of the shared Redis");
        Issuer::new(|limits| IssueStores::redis(limits, &redis))
    }

    /// A verification in Redis, its code alive for that long.
    pub async fn issue(&self, mobile: &str, code: &str, life: Duration) -> Verification {
        let now = Clock::System.now();
        let verification = Verification {
            id: VerificationId::random(),
            to: PhoneNumber::parse(mobile, None, &PhonePolicy::default()).expect("a number in E.164 form"),
            code: Code::parse(code).expect("six digits"),
            not_after: now.checked_add(life).expect("not the end of time"),
            life,
        };
        let kept = NewCode {
            id: verification.id.clone(),
            app: APP.into(),
            purpose: PURPOSE.into(),
            to: verification.to.masked(),
            latest: self.prefix.clone(),
            mac: "not checked here".into(),
            ttl: life,
            max_checks: 5,
        };
        self.codes().issue(&kept).await.expect("Redis answers");
        verification
    }

    /// What the verification says of its SMS.
    pub async fn delivery(&self, of: &Verification) -> DeliveryState {
        let found = self.codes().get(&of.id, APP).await.expect("Redis answers");
        found.expect("it was issued").delivery
    }
}

impl Verification {
    /// The task that sends the code, sealed with these keys.
    pub fn task(&self, keys: &KeyRing) -> SendCode {
        let (when, what) = ((self.not_after, self.life), (&self.to, &self.code));
        SendCode::seal(keys, self.id.clone(), APP, PURPOSE, when, what)
    }
}

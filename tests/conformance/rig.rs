//! The stores under test, on either adapter, and the clock they read.
//!
//! A rig has empty stores of its own: on the shared Redis by a key prefix that no other rig has. All tests of a process
//! share one runtime with several threads, so that calls of one moment really meet.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use postrider_core::captchas::{CaptchaRules, Captchas, MemoryCaptchas, RedisCaptchas};
use postrider_core::clock::{Clock, ManualClock};
use postrider_core::redis::{Redis, RedisConfig};
use postrider_core::throttle::{Limits, Throttle};
use postrider_delivery::send_record::{MemoryRecords, RedisRecords, SendRecords};
use postrider_tests::servers::shared_redis_url;
use postrider_tests::stores::{IssueStores, Issuer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The runtime of all tests of this process.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("threads can be started")
});

/// Stores on one adapter. The stores of one rig share its clock and what they keep.
pub(crate) struct Rig {
    /// Moves the time of all its stores.
    pub(crate) clock: ManualClock,
    place: Place,
}

enum Place {
    Memory,
    Redis { url: String, prefix: String, redis: Redis },
}

/// Runs a case on empty stores of each adapter. The last line of a failed test's output names the adapter.
pub(crate) fn on_both(case: impl AsyncFn(&Rig)) {
    eprintln!("on memory");
    RUNTIME.block_on(case(&Rig::memory(now())));
    eprintln!("on Redis");
    on_redis(case);
}

/// Runs a case on empty stores of the shared Redis.
pub(crate) fn on_redis(case: impl AsyncFn(&Rig)) {
    RUNTIME.block_on(async {
        let rig = Rig::redis(&shared_redis_url(), &fresh_prefix(), now());
        case(&rig).await;
        rig.remove_keys().await;
    });
}

/// Calls so often at the same moment, on several threads.
pub(crate) async fn at_once<T, C>(count: usize, call: impl Fn(usize) -> C) -> Vec<T>
where
    C: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let mut calls = JoinSet::new();
    for index in 0..count {
        let (barrier, call) = (barrier.clone(), call(index));
        calls.spawn(async move {
            barrier.wait().await;
            call.await
        });
    }
    calls.join_all().await
}

/// A clock that stands at the present instant: what Redis collects by its own clock, it collects long after the test.
pub(crate) fn now() -> ManualClock {
    ManualClock::new(Clock::System.now())
}

impl Rig {
    pub(crate) fn memory(clock: ManualClock) -> Self {
        Self { clock, place: Place::Memory }
    }

    pub(crate) fn redis(url: &str, prefix: &str, clock: ManualClock) -> Self {
        Self::redis_over(4, url, prefix, clock)
    }

    /// Over so many connections.
    pub(crate) fn redis_over(connections: usize, url: &str, prefix: &str, clock: ManualClock) -> Self {
        let config = RedisConfig { connections, ..config(url, prefix) };
        let redis = Redis::with_manual_clock(&config, clock.clone()).unwrap();
        Self { clock, place: Place::Redis { url: url.into(), prefix: prefix.into(), redis } }
    }

    pub(crate) fn throttle(&self, limits: &Limits) -> Throttle {
        self.stores(limits).throttle
    }

    /// Codes whatever the limits say.
    pub(crate) fn codes(&self) -> Issuer {
        Issuer::new(|limits| self.stores(limits))
    }

    /// What issues codes under these limits, and where to.
    pub(crate) fn stores(&self, limits: &Limits) -> IssueStores {
        match &self.place {
            Place::Memory => IssueStores::memory(limits, &Clock::Manual(self.clock.clone())),
            Place::Redis { redis, .. } => IssueStores::redis(limits, redis),
        }
    }

    pub(crate) fn captchas(&self, rules: CaptchaRules) -> Captchas {
        match &self.place {
            Place::Memory => Captchas::Memory(MemoryCaptchas::new(rules, Clock::Manual(self.clock.clone()))),
            Place::Redis { redis, .. } => Captchas::Redis(RedisCaptchas::new(redis.clone(), rules)),
        }
    }

    pub(crate) fn records(&self) -> SendRecords {
        match &self.place {
            Place::Memory => SendRecords::Memory(MemoryRecords::new(Clock::Manual(self.clock.clone()))),
            Place::Redis { redis, .. } => SendRecords::Redis(RedisRecords::new(redis.clone())),
        }
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn pass(&self, ms: i64) {
        self.clock.advance(Duration::from_millis(ms.try_into().expect("time does not go back")));
    }

    /// The Redis under the stores.
    pub(crate) fn under(&self) -> (&str, &str) {
        match &self.place {
            Place::Memory => panic!("memory has no Redis under it"),
            Place::Redis { url, prefix, .. } => (url, prefix),
        }
    }

    /// A connection of the test's own, past the adapters.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = Client::open(self.under().0).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// All its keys.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut connection = self.connection().await;
        let pattern = format!("{}*", self.under().1);
        let (mut cursor, mut found) = (0_u64, Vec::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.unwrap();
            found.extend(keys);
            cursor = next;
            if cursor == 0 {
                found.sort();
                found.dedup();
                return found;
            }
        }
    }

    /// Leaves nothing behind on a server that others use.
    pub(crate) async fn remove_keys(&self) {
        let keys = self.keys().await;
        if !keys.is_empty() {
            let mut connection = self.connection().await;
            cmd("UNLINK").arg(keys).exec_async(&mut connection).await.unwrap();
        }
    }
}

/// A key prefix that nothing else has.
pub(crate) fn fresh_prefix() -> String {
    format!("conformance-{}", Uuid::new_v4().simple())
}

/// How to reach a Redis under a prefix.
pub(crate) fn config(url: &str, prefix: &str) -> RedisConfig {
    let (url, prefix) = (url.to_owned().into(), prefix.into());
    RedisConfig { url, prefix, connections: 1, timeout: Duration::from_mins(1) }
}

//! Results of tasks and the joining of chords: one suite for memory and for Redis, where Python may share them.

mod chords;
mod kept;
mod on_redis;
mod schedules;
mod waiting;

use std::time::Duration;

use deadpool_redis::redis::Client;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::cmd;
use postrider_core::broker::message::Properties;
use postrider_core::celery::Exception;
use postrider_core::clock::Clock;
use postrider_core::results::{MemoryResults, Meta, RedisResults, ResultOptions, Results};
use postrider_core::shutdown::Shutdown;
use postrider_tests::servers::shared_redis_url;
use serde_json::Value;

use crate::rig::{RUNTIME, config, fresh_prefix};

/// Far above what anything takes here.
const LONG: Duration = Duration::from_mins(1);

/// A store without results, and ids that no other has.
struct Store {
    results: Results,
    prefix: String,
    shutdown: Shutdown,
}

impl Store {
    fn memory() -> Self {
        let results = Results::Memory(MemoryResults::new(ResultOptions::default(), Clock::System));
        Self { results, prefix: fresh_prefix(), shutdown: Shutdown::new() }
    }

    fn redis(options: ResultOptions) -> Self {
        let shutdown = Shutdown::new();
        // Its keys have Celery's names; the prefix is in the ids.
        let config = config(&shared_redis_url(), "");
        let redis = RedisResults::start(&config, options, &shutdown).unwrap();
        Self { results: Results::Redis(redis), prefix: fresh_prefix(), shutdown }
    }

    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Stores, as a worker whose caller does not ask for an answer.
    async fn store(&self, meta: &Meta) {
        self.results.store(meta, &Properties::default()).await.unwrap();
    }

    fn success(&self, name: &str, value: Value) -> Meta {
        Meta::success(self.id(name), value, Clock::System.now())
    }

    fn failure(&self, name: &str) -> Meta {
        let boom = Exception::builtin("ValueError", "boom").raised_in("task `boom`");
        Meta::failure(self.id(name), &boom, Clock::System.now())
    }

    /// Ends what it runs and leaves nothing behind on a server that others use.
    async fn close(self) {
        self.shutdown.stop();
        assert!(self.shutdown.drained(LONG).await, "something still runs");
        if let Results::Redis(_) = self.results {
            let (mut connection, mut cursor) = (connection().await, 0_u64);
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(format!("celery-*{}*", self.prefix)).arg("COUNT").arg(1000);
                let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.unwrap();
                if !keys.is_empty() {
                    cmd("UNLINK").arg(keys).exec_async(&mut connection).await.unwrap();
                }
                cursor = next;
                if cursor == 0 {
                    return;
                }
            }
        }
    }
}

/// A connection of the test's own, past the store.
async fn connection() -> MultiplexedConnection {
    let client = Client::open(shared_redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Runs a case on an empty store of each kind. The last line of a failed test's output names the kind.
fn on_both(case: impl AsyncFn(&Store)) {
    eprintln!("on memory");
    RUNTIME.block_on(async {
        let store = Store::memory();
        case(&store).await;
        store.close().await;
    });
    eprintln!("on Redis");
    on_redis(case);
}

/// Runs a case on an empty store of the shared Redis.
fn on_redis(case: impl AsyncFn(&Store)) {
    RUNTIME.block_on(async {
        let store = Store::redis(ResultOptions::default());
        case(&store).await;
        store.close().await;
    });
}

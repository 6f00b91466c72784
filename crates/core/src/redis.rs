//! Redis: a few shared, multiplexed connections, scripts, key names, and the check that nothing is evicted.
//!
//! A checkout from the pool costs two commands of its own, so connections are taken out of it and shared: each lane
//! is one connection that any number of requests use at once, replaced through the pool when it breaks.

mod arg;
mod keys;
mod lane;
mod script;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, InfoDict, RedisError, ServerErrorKind,
};
use deadpool_redis::{Connection, Manager, Pool, PoolConfig, Runtime, Timeouts};
use futures::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

pub use arg::Arg;
use lane::Lane;
pub use script::Script;

use crate::clock::{ManualClock, Stamp};

/// A handle to one Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    pool: Pool,
    lanes: Vec<Mutex<Option<Lane>>>,
    /// Held while a lane is connected, so that all who wait for it share one connect.
    connecting: Vec<tokio::sync::Mutex<()>>,
    timeout: Duration,
    opened: AtomicU64,
    turn: AtomicUsize,
    prefix: String,
    manual: Option<ManualClock>,
    replied: Stamp,
}

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:6379/0` or `rediss://…`.
    pub url: SecretString,
    /// What every key starts with.
    pub prefix: String,
    /// Connections that are shared by all requests.
    pub connections: usize,
    /// The longest wait for a connection and for an answer.
    pub timeout: Duration,
}

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or refuses to write. Whether the step was done is not known.
    #[error("Redis is not available: {0}")]
    Unavailable(String),
    /// An answer of the wrong shape: a script and its caller do not fit.
    #[error("{0} gave an answer of the wrong shape")]
    Answer(&'static str),
}

/// What `maxmemory-policy` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    /// Nothing is evicted.
    Never,
    /// Keys may vanish before their time, and limits with them.
    Policy(String),
    /// The server did not say.
    Unknown,
}

impl Redis {
    /// A handle; the first use connects. Fails only on an address that cannot be read.
    pub fn new(config: &RedisConfig) -> Result<Self, String> {
        Self::build(config, None)
    }

    /// A handle whose scripts take the time from a test's clock.
    pub fn with_manual_clock(config: &RedisConfig, clock: ManualClock) -> Result<Self, String> {
        Self::build(config, Some(clock))
    }

    fn build(config: &RedisConfig, manual: Option<ManualClock>) -> Result<Self, String> {
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout));
        let manager = Manager::new_with_config(config.url.expose_secret(), options)
            .map_err(|error| error.to_string())?;
        let timeouts = Timeouts {
            wait: Some(config.timeout),
            create: Some(config.timeout),
            recycle: Some(config.timeout),
        };
        let pool = Pool::builder(manager)
            .config(PoolConfig { timeouts, ..PoolConfig::new(config.connections.max(1)) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        let lanes = config.connections.max(1);
        Ok(Self(Arc::new(Inner {
            pool,
            lanes: (0..lanes).map(|_| Mutex::default()).collect(),
            connecting: (0..lanes).map(|_| tokio::sync::Mutex::default()).collect(),
            timeout: config.timeout,
            opened: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            prefix: config.prefix.clone(),
            manual,
            replied: Stamp::default(),
        })))
    }

    /// Runs a script: one atomic step and one round trip.
    pub async fn invoke<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[Arg],
    ) -> Result<T, StoreError> {
        let lane = self.lane().await?;
        let mut answer = lane.ask(script.call(keys, args)).await;
        let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
        if answer.as_ref().is_err_and(|error: &RedisError| error.kind() == unknown) {
            // A server that was restarted or has never seen it: nothing was done.
            answer = match lane.ask::<String>(script.load()).await {
                Ok(_) => lane.ask(script.call(keys, args)).await,
                Err(error) => Err(error),
            };
        }
        self.answered(lane.opened, answer)
    }

    /// Whether it answers now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query(Cmd::new().arg("PING")).await
    }

    /// Reads the eviction policy from `INFO memory`, which needs no right to read the configuration.
    pub async fn eviction(&self) -> Result<Eviction, StoreError> {
        match self.query::<InfoDict>(Cmd::new().arg("INFO").arg("memory")).await {
            Ok(info) => Ok(match info.get::<String>("maxmemory_policy").as_deref() {
                Some("noeviction") => Eviction::Never,
                Some(policy) => Eviction::Policy(policy.to_owned()),
                None => Eviction::Unknown,
            }),
            // A user who may not ask is told so; a server that is down is something else.
            Err(StoreError::Unavailable(text)) if text.to_ascii_uppercase().contains("NOPERM") => {
                Ok(Eviction::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it answered within this time.
    pub fn replied_within(&self, age: Duration) -> bool {
        self.0.replied.is_within(age)
    }

    /// The first argument of every script that needs the time.
    pub fn now_argument(&self) -> Arg {
        self.0.manual.as_ref().map(|clock| clock.now_ms().to_string()).unwrap_or_default().into()
    }

    /// Pings every connection each second until `stop`, so that one that broke is replaced before a request meets it, and
    /// readiness knows of a server that does not answer.
    pub async fn watch(self, stop: CancellationToken) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        while stop.run_until_cancelled(second.tick()).await.is_some() {
            for _ in 0..self.0.lanes.len() {
                if let Err(error) = self.ping().await {
                    tracing::debug!(%error, "Redis does not answer a ping");
                }
            }
        }
    }

    fn prefix(&self) -> &str {
        &self.0.prefix
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let lane = self.lane().await?;
        let answer = lane.ask(command.clone()).await;
        self.answered(lane.opened, answer)
    }

    /// The next lane, connected if it was not.
    async fn lane(&self) -> Result<Lane, StoreError> {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed) % self.0.lanes.len();
        if let Some(lane) = &*self.slot(turn) {
            return Ok(lane.clone());
        }
        // Boxed: every request that is on its way would else keep room for a connect.
        self.connect(turn).boxed().await
    }

    /// Connects a lane. With a thousand requests in flight, a thousand find it broken: one connects, for all of them.
    async fn connect(&self, turn: usize) -> Result<Lane, StoreError> {
        let connecting = tokio::time::timeout(self.0.timeout, self.0.connecting[turn].lock()).await;
        let _connecting = connecting
            .map_err(|_| StoreError::Unavailable("timed out waiting for a connection".to_owned()))?;
        if let Some(lane) = &*self.slot(turn) {
            return Ok(lane.clone());
        }
        let pooled = self.0.pool.get().await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let opened = self.0.opened.fetch_add(1, Ordering::Relaxed);
        let lane = Lane::new(opened, Connection::take(pooled));
        *self.slot(turn) = Some(lane.clone());
        Ok(lane)
    }

    /// Notes an answer, and gives up connections that are of no use any more: what broke one broke those opened before
    /// it, and none that was opened since.
    fn answered<T>(&self, opened: u64, answer: Result<T, RedisError>) -> Result<T, StoreError> {
        answer.inspect(|_| self.0.replied.mark()).map_err(|error| {
            // A replica that was promoted away says READONLY on a connection that stays open.
            let this_one = error.is_timeout() || error.code() == Some("READONLY");
            let all = error.is_unrecoverable_error() && !this_one;
            for slot in 0..self.0.lanes.len() {
                let gone =
                    |lane: &mut Lane| lane.opened == opened && this_one || lane.opened <= opened && all;
                drop(self.slot(slot).take_if(gone));
            }
            metrics::counter!("postrider_redis_errors_total").increment(1);
            StoreError::Unavailable(error.to_string())
        })
    }

    fn slot(&self, lane: usize) -> MutexGuard<'_, Option<Lane>> {
        self.0.lanes[lane].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.prefix)
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

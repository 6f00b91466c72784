//! What the flows work with, and where they run.
//!
//! A process builds one [`Services`] from whatever backends it has. Flows do not run on the threads that serve HTTP:
//! see [`Work`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::backends::Backends;
use postrider_core::clock::Clock;
use postrider_core::django_codes::DjangoCodes;
use postrider_core::phone::PhonePolicy;
use postrider_core::producer::Producer;
use postrider_core::redis::Redis;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::throttle::Throttle;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::auth::{App, Apps};
use crate::error::ApiError;
use crate::shop::Shop;

/// How old the last confirmed publish and the last answer of Redis may be while the service calls itself ready.
const LATELY: Duration = Duration::from_secs(10);

/// What the flows work with.
#[derive(Debug)]
pub struct Services {
    /// Broker and stores.
    pub backends: Backends,
    /// Counts the guesses of addresses without a key.
    pub anonymous_checks: Throttle,
    /// The page and the tutorial's routes, where they are on.
    pub shop: Option<Arc<Shop>>,
    /// Enqueues on the broker.
    pub producer: Producer,
    /// Pepper and seal.
    pub keys: Keys,
    /// Who may ask.
    pub apps: Apps,
    /// Which numbers get codes.
    pub phone: PhonePolicy,
    /// What holds for every code.
    pub codes: CodeRules,
    /// Where the tasks go.
    pub queue: TaskQueue,
    /// The time.
    pub clock: Clock,
    /// Tells when the process is stopping.
    pub shutdown: Shutdown,
    /// Where the flows run.
    pub work: Work,
}

/// The keys of a producer.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Makes the MACs under which numbers, addresses and codes are kept.
    pub pepper: KeyRing,
    /// Encrypts number and code on their way to the worker.
    pub seal: KeyRing,
}

/// What holds for every code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRules {
    /// How long it is good.
    pub ttl: Duration,
    /// Guesses.
    pub max_checks: u32,
}

/// Where the tasks go, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQueue {
    /// The queue.
    pub name: String,
    /// The form.
    pub payload: Payload,
}

/// What a task carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Number and code encrypted: `sms.send_code`.
    Sealed,
    /// Number and code as text, for Python workers: `ccp_send_sms_code(mobile, sms_code)`.
    Clear,
}

/// Whether the service can do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The broker confirmed a publish lately.
    pub(crate) broker: bool,
    /// Redis answered lately, or answers now; Django's too, where codes are written there.
    pub(crate) redis: bool,
    /// The process was asked to stop.
    pub(crate) stopping: bool,
}

/// Runs flows on the process's own runtime, tracked.
///
/// 1. A client that hangs up drops the handler's future. A create that was dropped between the throttle and the publish
///    would leave a number locked without an SMS; on a task of its own it goes on to its end.
/// 2. Each thread that serves HTTP has a runtime that ends with the thread. A Redis connection that was opened there
///    would end with it, in the middle of the requests that the other threads are still finishing.
#[derive(Debug, Clone)]
pub struct Work {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Services {
    pub(crate) async fn readiness(&self) -> Readiness {
        let broker = self.backends.broker.confirmed_within(LATELY);
        let django = self.shop.as_ref().and_then(|shop| shop.django.as_ref()).map(DjangoCodes::redis);
        let redis = answers(self.backends.redis.as_ref()).await && answers(django).await;
        Readiness { broker, redis, stopping: self.shutdown.soft().is_cancelled() }
    }

    /// The shop, where it is on.
    pub(crate) fn shop(&self) -> Result<&Arc<Shop>, ApiError> {
        self.shop.as_ref().ok_or(ApiError::NotFound)
    }

    /// Where Django reads the codes of an app, if it does.
    pub(crate) fn django(&self, app: &App) -> Option<&DjangoCodes> {
        self.shop.as_ref().filter(|shop| shop.app.name == app.name)?.django.as_ref()
    }
}

async fn answers(redis: Option<&Redis>) -> bool {
    match redis {
        Some(redis) => redis.replied_within(LATELY) || redis.ping().await.is_ok(),
        None => true,
    }
}

impl Readiness {
    pub(crate) fn ready(self) -> bool {
        self.broker && self.redis && !self.stopping
    }
}

impl Work {
    /// On the runtime that this is called on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn here() -> Self {
        Self { runtime: Handle::current(), tracker: TaskTracker::new() }
    }

    /// Runs a flow to its end, also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        flow: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        // The panic hook has logged a panic by then; a cancelled task means that the process is ending.
        self.tracker.spawn_on(flow, &self.runtime).await.unwrap_or(Err(ApiError::Internal))
    }

    /// Waits for the flows whose clients have gone, at most this long. `false` when some still run.
    pub(crate) async fn drained(&self, within: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_flow_whose_client_hangs_up_goes_on_to_its_end_and_the_drain_waits_for_it() {
        let work = Work::here();
        let (go_on, told) = oneshot::channel::<()>();
        let (done, mut seen) = oneshot::channel();
        let flow = async move {
            told.await.unwrap();
            done.send(()).unwrap();
            Ok(())
        };

        let mut request = Box::pin(work.run(flow));
        assert!(futures::poll!(&mut request).is_pending());
        drop(request);

        assert!(!work.drained(Duration::ZERO).await);
        go_on.send(()).unwrap();
        assert!(work.drained(Duration::from_secs(5)).await);
        seen.try_recv().unwrap();
    }

    #[tokio::test]
    async fn a_flow_that_panics_is_an_internal_error() {
        let panics = async { if true { panic!("on purpose") } else { Ok(()) } };
        assert_eq!(Work::here().run(panics).await, Err(ApiError::Internal));
    }
}

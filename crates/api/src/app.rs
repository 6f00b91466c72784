//! The wiring of the api: configuration, backends, HTTP, and the order in which they stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use postrider_core::backends::{Backends, EvictionGuard};
use postrider_core::broker::topology::QueueType;
use postrider_core::broker::{Broker, TopologyError};
use postrider_core::clock::Clock;
use postrider_core::config::{ConfigError, EvictionRule};
use postrider_core::metrics::Metrics;
use postrider_core::notify::{self, Condition};
use postrider_core::phone::PhoneNumber;
use postrider_core::producer::Producer;
use postrider_core::shutdown::Shutdown;
use postrider_core::telemetry;

use crate::config::{HttpSettings, Plan, Settings};
use crate::listen;
use crate::serve::{SETTLE, serve};
use crate::services::{Payload, Readiness, Services, Work};
use crate::shop::Shop;

/// How long the connections to the servers may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// Why the api did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The port is taken or not allowed.
    #[error("cannot listen on {listen} (http.listen): {source}")]
    Listen {
        /// Where it was to listen.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The metrics could not be set up.
    #[error("cannot record metrics: {0}")]
    Metrics(String),
    /// The system refused what a server needs.
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}

/// Runs the api on RabbitMQ and Redis until it is asked to stop, on the sockets that it inherited, if any.
pub async fn run(settings: &Settings, inherited: Vec<TcpListener>) -> Result<(), RunError> {
    let plan = settings.plan()?;
    telemetry::init(&settings.log)?;
    let metrics = Metrics::install().map_err(|error| RunError::Metrics(error.to_string()))?;
    let (clock, shutdown) = (Clock::System, Shutdown::new());
    shutdown.on_signals()?;
    tokio::task::spawn_blocking(PhoneNumber::warm_up);

    say(&plan);
    let Plan { listen, http, amqp, topology, redis, limits, .. } = plan;
    let backends = Backends::real(amqp, topology, &redis, limits, &shutdown)?;
    let eviction = look(&backends, plan.eviction, &shutdown).await?;
    let listeners = listen::take(inherited, listen, &plan.apps)?;
    let shop = plan.shop.map(|rules| Shop::new(rules, &backends, &clock, &shutdown)).transpose()?;
    let services = Arc::new(Services {
        anonymous_checks: backends.address_throttle(plan.anonymous_checks, &clock),
        producer: Producer::new(backends.broker.clone(), clock.clone(), "postrider-api"),
        backends,
        keys: plan.keys,
        apps: plan.apps,
        phone: plan.phone,
        codes: plan.codes,
        shop: shop.map(Arc::new),
        queue: plan.queue,
        clock,
        shutdown: shutdown.clone(),
        work: Work::here(),
    });

    tell(&services, &listeners);
    let served = serve(listeners, http, Arc::clone(&services), metrics, |_| ()).await;

    // Nothing publishes any more.
    shutdown.stop();
    services.backends.broker.close();
    shutdown.drained(CLOSE).await;
    eviction.verdict()?;
    served?;
    tracing::info!("postrider-api has stopped");
    Ok(())
}

/// Finds what does not get better by itself: a Redis that evicts, a queue that exists with other arguments. A server
/// that is down is no such thing: the service starts and is not ready.
async fn look(
    backends: &Backends,
    rule: EvictionRule,
    shutdown: &Shutdown,
) -> Result<EvictionGuard, ConfigError> {
    let redis = backends.redis.as_ref().expect("real backends have a Redis");
    let guard = EvictionGuard::check(redis, rule, shutdown).await?;
    if let Broker::Amqp(broker) = &backends.broker
        && let Err(error @ TopologyError::Mismatch(..)) = broker.first_look().await
    {
        return Err(ConfigError::key("queue.type", error.to_string()));
    }
    Ok(guard)
}

/// The longest that a stop takes.
pub(crate) fn stops_within(http: &HttpSettings) -> Duration {
    http.drain_delay + SETTLE + http.finish_within() + CLOSE
}

/// Tells the service manager whether it can serve: it is ready when `/readyz` first is.
fn tell(services: &Arc<Services>, listeners: &[TcpListener]) {
    let addresses: Vec<String> =
        listeners.iter().filter_map(|listener| Some(listener.local_addr().ok()?.to_string())).collect();
    let (services, place) = (Arc::clone(services), addresses.join(", "));
    let shutdown = services.shutdown.clone();
    notify::follow(&shutdown, "Stopping: finishing the requests that run", move || {
        let (services, place) = (Arc::clone(&services), place.clone());
        async move {
            let Readiness { broker, redis, .. } = services.readiness().await;
            let missing = match (broker, redis) {
                (true, true) => return Condition { ready: true, status: format!("Serving on {place}") },
                (false, true) => "RabbitMQ does",
                (true, false) => "Redis does",
                (false, false) => "RabbitMQ and Redis do",
            };
            let status = format!("Not ready: {missing} not answer; requests on {place} get 503");
            Condition { ready: false, status }
        }
    });
}

/// Says at the start what an operator should know about the configuration.
fn say(plan: &Plan) {
    let queue = plan.queue.name.as_str();
    if plan.apps.is_open() {
        tracing::warn!(
            http.listen = %plan.listen,
            "no [[apps]]: everybody on this machine may send SMS without a key; it listens on loopback only"
        );
    }
    if let Some(shop) = &plan.shop {
        tracing::info!(
            app = %shop.app.name,
            "the page at / and the routes /image_codes/ and /sms_codes/ are on: they need no key"
        );
        if let Some(django) = &shop.django {
            tracing::warn!(
                app = %shop.app.name, redis = %django.shown,
                "shop.django_redis_url is set: codes are written in the clear to that Redis, as sms_<mobile>"
            );
        }
    }
    if plan.queue.payload == Payload::Clear {
        tracing::warn!(queue.name = queue, "codes and numbers travel in the clear on this queue");
    }
    if plan.kind == QueueType::Classic {
        tracing::info!(
            queue.name = queue,
            "a classic queue may lose what waits in it when the broker is killed"
        );
    }
}

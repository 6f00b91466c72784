//! The wiring of the api: configuration, backends, HTTP, and the order in which they stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};
use postrider_core::backends::{Backends, EvictionGuard};
use postrider_core::broker::topology::QueueType;
use postrider_core::broker::{Broker, TopologyError};
use postrider_core::clock::Clock;
use postrider_core::config::{ConfigError, EvictionRule};
use postrider_core::metrics::Metrics;
use postrider_core::phone::PhoneNumber;
use postrider_core::producer::Producer;
use postrider_core::shutdown::Shutdown;
use postrider_core::telemetry;
use tokio::net::TcpSocket;

use crate::auth::Apps;
use crate::config::{HttpSettings, Plan, Settings, may_listen};
use crate::routes;
use crate::services::{Payload, Services, Work};

/// Connections that wait to be accepted. The standard library's 128 are soon full, and who finds them full comes again
/// a second later.
const BACKLOG: u32 = 1024;
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

/// Runs the api on RabbitMQ and Redis until it is asked to stop.
pub async fn run(settings: &Settings) -> Result<(), RunError> {
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
    let listener = bind(listen, &plan.apps)?;
    let services = Arc::new(Services {
        anonymous_checks: backends.address_throttle(plan.anonymous_checks, &clock),
        producer: Producer::new(backends.broker.clone(), clock.clone(), "postrider-api"),
        backends,
        keys: plan.keys,
        apps: plan.apps,
        phone: plan.phone,
        codes: plan.codes,
        queue: plan.queue,
        clock,
        shutdown: shutdown.clone(),
        work: Work::here(),
    });

    let served = serve(listener, http, Arc::clone(&services), metrics, |_| ()).await;

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

/// Takes the port. Without apps only one that other machines cannot reach.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn bind(listen: SocketAddr, apps: &Apps) -> Result<TcpListener, RunError> {
    may_listen(listen, apps)?;
    let take = || {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        socket.listen(BACKLOG)?.into_std()
    };
    take().map_err(|source| RunError::Listen { listen, source })
}

/// Serves HTTP until the soft stop, then finishes what runs; the hard stop drops it. `more` adds routes.
///
/// When it returns, no flow runs that could still publish, unless it was dropped.
pub async fn serve<F>(
    listener: TcpListener,
    http: HttpSettings,
    services: Arc<Services>,
    metrics: Metrics,
    more: F,
) -> io::Result<()>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let (address, shutdown) = (listener.local_addr()?, services.shutdown.clone());
    let (shared, settings, metrics) =
        (Data::from(Arc::clone(&services)), Data::new(http.clone()), Data::new(metrics));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(settings.clone())
            .app_data(metrics.clone())
            .configure(more.clone())
            .configure(routes::configure)
            .wrap(from_fn(routes::observe))
    })
    .workers(http.workers)
    .keep_alive(http.keep_alive)
    .client_request_timeout(http.request_timeout)
    .shutdown_timeout(http.shutdown_timeout.as_secs().max(1))
    .shutdown_signal(stop_accepting(shutdown.clone(), http.drain_delay))
    .listen(listener)?
    .run();
    tracing::info!(http.listen = %address, "listening on http://{address}");
    tokio::select! {
        ended = server => {
            services.work.drained(http.shutdown_timeout).await;
            ended
        }
        () = shutdown.hard().cancelled() => Ok(()),
    }
}

/// From the soft stop on `/readyz` says so; the port closes only when those who ask it have had the time to see it.
async fn stop_accepting(shutdown: Shutdown, delay: Duration) {
    shutdown.soft().cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = shutdown.hard().cancelled() => {}
    }
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

#[cfg(test)]
mod tests {
    use actix_web::web;
    use postrider_core::seal::KeyRing;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::services::{Keys, TaskQueue};

    fn in_memory() -> Services {
        let (settings, clock, shutdown) = (Settings::embedded(), Clock::System, Shutdown::new());
        let backends = Backends::memory(settings.limits().unwrap(), &clock, &shutdown);
        Services {
            anonymous_checks: backends.address_throttle(settings.anonymous_checks().unwrap(), &clock),
            producer: Producer::new(backends.broker.clone(), clock.clone(), "test"),
            backends,
            keys: Keys { pepper: KeyRing::ephemeral(), seal: KeyRing::ephemeral() },
            apps: Apps::open(),
            phone: settings.phone().unwrap(),
            codes: settings.codes().unwrap(),
            queue: TaskQueue { name: "sms".into(), payload: Payload::Sealed },
            clock,
            shutdown,
            work: Work::here(),
        }
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_server_goes_on_until_it_is_stopped() {
        let services = Arc::new(in_memory());
        let listener = bind("127.0.0.1:0".parse().unwrap(), &services.apps).unwrap();
        let address = listener.local_addr().unwrap();
        let http = Settings::embedded().http.settings().unwrap();
        let (metrics, shutdown) = (Metrics::install().unwrap(), services.shutdown.clone());
        let panics = |config: &mut ServiceConfig| {
            config.route("/panic", web::get().to(async || -> &'static str { panic!("on purpose") }));
        };

        let serving = serve(listener, http, services, metrics, panics);
        let asking = async {
            let (panicked, alive) = (get(address, "/panic").await, get(address, "/healthz").await);
            shutdown.stop();
            (panicked, alive)
        };
        let (served, (panicked, alive)) = tokio::join!(serving, asking);

        served.unwrap();
        assert!(panicked.starts_with("HTTP/1.1 500 "), "{panicked}");
        assert!(panicked.contains(r#""code":"internal_error""#), "{panicked}");
        assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
    }

    #[tokio::test]
    async fn without_apps_no_port_is_taken_that_others_can_reach() {
        let error = bind("0.0.0.0:0".parse().unwrap(), &Apps::open()).unwrap_err();
        assert!(error.to_string().starts_with("http.listen: "), "{error}");
    }
}

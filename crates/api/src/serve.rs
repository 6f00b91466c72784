//! Serving HTTP, and leaving without dropping a request:
//!
//! 1. From the soft stop on `/readyz` says so. The api goes on accepting and answering for `http.drain_delay`, and each
//!    answer closes its connection, so that clients put kept-alive ones away in an orderly manner.
//! 2. It accepts no more. In a socket of systemd's new connections wait for the next process.
//! 3. Whoever was accepted and has not asked yet gets a moment to do so: the server would close the connection unread.
//! 4. The server closes what is idle and finishes what runs, at most for `http.shutdown_timeout`.

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error, HttpServer};
use postrider_core::metrics::Metrics;
use postrider_core::shutdown::Shutdown;

use crate::config::HttpSettings;
use crate::routes;
use crate::services::Services;

/// The longest wait for those who were accepted last.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);
/// How often they are counted. A connection that is on its way from the accepting thread to a serving one is not
/// counted yet, so nobody must be seen twice.
const LOOK: Duration = Duration::from_millis(50);

/// Serves HTTP until the soft stop, then finishes what runs; the hard stop drops it. `more` adds routes.
///
/// When it returns, no flow runs that could still publish, unless it was dropped.
pub async fn serve<F>(
    listeners: Vec<TcpListener>,
    http: HttpSettings,
    services: Arc<Services>,
    metrics: Metrics,
    more: F,
) -> io::Result<()>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let (shutdown, open) = (services.shutdown.clone(), Open::default());
    let shop = services.shop.is_some();
    let (shared, settings, metrics) =
        (Data::from(Arc::clone(&services)), Data::new(http.clone()), Data::new(metrics));
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(settings.clone())
            .app_data(metrics.clone())
            .configure(more.clone())
            .configure(|config| routes::configure(config, shop))
            .wrap(from_fn(routes::observe))
            .wrap(from_fn(take_leave))
    })
    .workers(http.workers)
    .keep_alive(http.keep_alive)
    .client_request_timeout(http.request_timeout)
    // In whole seconds; the exact limit is below.
    .shutdown_timeout(http.finish_within().as_secs() + 1)
    .on_connect(open.counter())
    .disable_signals();
    for listener in listeners {
        let address = listener.local_addr()?;
        server = server.listen(listener)?;
        tracing::info!(http.listen = %address, "listening on http://{address}");
    }
    let mut server = server.run();
    let handle = server.handle();
    tokio::select! {
        // By itself, which no server does that works.
        ended = &mut server => return ended,
        () = drain(&shutdown, http.drain_delay, &handle, &open) => {}
        () = shutdown.hard().cancelled() => return Ok(()),
    }
    // The command is on its way with this call; the server's own end is waited for below.
    drop(handle.stop(true));
    let finished = async {
        let ended = server.await;
        services.work.drained(http.finish_within()).await;
        ended
    };
    tokio::select! {
        ended = tokio::time::timeout(http.finish_within(), finished) => ended.unwrap_or_else(|_| {
            tracing::warn!("requests that ran longer than http.shutdown_timeout were dropped");
            Ok(())
        }),
        () = shutdown.hard().cancelled() => Ok(()),
    }
}

/// Steps 1 to 3. Ends when nothing is accepted any more and nobody who was is unheard, or has had the time.
async fn drain(shutdown: &Shutdown, delay: Duration, server: &ServerHandle, open: &Open) {
    shutdown.soft().cancelled().await;
    tokio::time::sleep(delay).await;
    server.pause().await;
    let settled = async {
        let mut empty = 0;
        while empty < 2 {
            tokio::time::sleep(LOOK).await;
            empty = if open.count() == 0 { empty + 1 } else { 0 };
        }
    };
    // Over the time are idle connections, which nobody may ever use again, and long requests, which are finished next.
    let _ = tokio::time::timeout(SETTLE, settled).await;
}

/// Once the process is asked to stop, every answer closes its connection.
async fn take_leave(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let shutdown = request.app_data::<Data<Services>>().map(|services| services.shutdown.clone());
    let mut answer = next.call(request).await?;
    // An error here is a panic's; it is answered further out and leaves the connection to step 4.
    if shutdown.is_some_and(|shutdown| shutdown.soft().is_cancelled()) {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

/// How many connections are open.
#[derive(Debug, Clone, Default)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts a connection for as long as the server keeps what belongs to it.
    fn counter(&self) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
        let open = self.clone();
        move |_, kept| {
            open.0.fetch_add(1, Ordering::SeqCst);
            kept.insert(Counted(open.clone()));
        }
    }
}

struct Counted(Open);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::web;
    use postrider_core::backends::Backends;
    use postrider_core::clock::Clock;
    use postrider_core::producer::Producer;
    use postrider_core::seal::KeyRing;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::auth::Apps;
    use crate::config::Settings;
    use crate::listen::bind;
    use crate::services::{Keys, Payload, TaskQueue, Work};

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
            shop: None,
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

        let serving = serve(vec![listener], http, services, metrics, panics);
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
}

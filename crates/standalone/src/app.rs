//! The wiring of the one process, top to bottom.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use postrider_api::app::RunError;
use postrider_api::auth::Apps;
use postrider_api::config::Settings;
use postrider_api::listen::bind;
use postrider_api::serve::serve;
use postrider_api::services::{Keys, Payload, Services, TaskQueue, Work};
use postrider_api::shop::Shop;
use postrider_core::backends::Backends;
use postrider_core::broker::Broker;
use postrider_core::broker::topology::DEAD;
use postrider_core::clock::Clock;
use postrider_core::config::{ConfigError, EX_CONFIG, LogFormat, LogSection};
use postrider_core::metrics::Metrics;
use postrider_core::phone::PhoneNumber;
use postrider_core::producer::Producer;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::telemetry;
use postrider_delivery::handlers;
use postrider_delivery::send::{SendPolicy, Services as SmsServices};
use postrider_delivery::send_record::{MemoryRecords, SendRecords};
use postrider_worker::{Options, WorkQueue, Worker};

use crate::drawn::Drawn;
use crate::outbox::Outbox;

/// The one work queue.
const QUEUE: &str = "sms";
/// How many dead letters are kept.
const DEAD_LETTERS: u16 = 1000;

/// Why the process did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A flag that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The producer did not start or ended.
    #[error(transparent)]
    Api(#[from] RunError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Api(RunError::Config(_)) => EX_CONFIG.into(),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs producer and worker until the process is stopped.
pub(crate) async fn run(listen: SocketAddr, level: String) -> Result<(), Failure> {
    telemetry::init(&LogSection { level, format: LogFormat::Text })?;
    let metrics = Metrics::install().map_err(|error| Failure::Other(error.to_string()))?;
    let (clock, shutdown) = (Clock::System, Shutdown::new());
    shutdown.on_signals().map_err(|error| Failure::Other(error.to_string()))?;
    tokio::task::spawn_blocking(PhoneNumber::warm_up);

    let settings = Settings::embedded();
    let keys = Keys { pepper: KeyRing::ephemeral(), seal: KeyRing::ephemeral() };
    let backends = Backends::memory(settings.limits()?, &clock, &shutdown);
    if let Broker::Memory(memory) = &backends.broker {
        memory.declare(QUEUE, None);
        memory.declare(DEAD, Some(DEAD_LETTERS.into()));
    }
    let outbox = Outbox::new(clock.clone());
    let listener = bind(listen, &Apps::open())?;
    let address = listener.local_addr().map_err(|error| Failure::Other(error.to_string()))?;

    let sms_services = Arc::new(SmsServices {
        provider: Arc::new(outbox.clone()),
        records: SendRecords::Memory(MemoryRecords::new(clock.clone())),
        codes: backends.codes.clone(),
        keys: keys.seal.clone(),
        policy: SendPolicy { resend: false, lease: Duration::from_secs(15), window: settings.codes()?.ttl },
    });
    let options = Options {
        queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: false }],
        concurrency: 100,
        drain_timeout: Duration::from_secs(5),
        dead_max_length: DEAD_LETTERS.into(),
        ..Options::default()
    };
    let worker = Worker::new(handlers::registry(), sms_services, backends.broker.clone(), options)
        .map_err(|error| Failure::Other(error.to_string()))?
        .keys(keys.seal.clone());
    let apps = Apps::open();
    let rules = settings.shop(&apps)?;
    let shop = rules.map(|rules| Shop::new(rules, &backends, &clock, &shutdown)).transpose()?.map(Arc::new);
    let drawn = Drawn::new(shop.clone(), keys.seal.clone());
    let services = Arc::new(Services {
        anonymous_checks: backends.address_throttle(settings.anonymous_checks()?, &clock),
        producer: Producer::new(backends.broker.clone(), clock.clone(), "postrider"),
        backends,
        keys,
        apps,
        shop,
        phone: settings.phone()?,
        codes: settings.codes()?,
        queue: TaskQueue { name: QUEUE.into(), payload: Payload::Sealed },
        clock,
        shutdown: shutdown.clone(),
        work: Work::here(),
    });
    invite(address);
    let http = settings.http.settings()?;
    let serving = serve(vec![listener], http, services, metrics, move |config| {
        outbox.routes(config);
        drawn.routes(config);
    });
    let (served, _drained) = tokio::join!(
        async {
            let served = serving.await;
            shutdown.stop();
            served
        },
        worker.run(&shutdown)
    );
    served.map_err(|error| Failure::Other(error.to_string()))
}

/// The first thing to try.
#[expect(clippy::print_stdout, reason = "what a person at a terminal starts with")]
fn invite(address: SocketAddr) {
    println!(
        "Postrider runs in memory: whatever is sent is printed here, and gone when it stops. The page:\n\n  \
         http://{address}/\n\n\
         Or try:\n\n  \
         curl -s http://{address}/v1/verifications -H 'Content-Type: application/json' \\\n       \
         -d '{{\"to\":\"+8613800138000\",\"purpose\":\"login\"}}'\n  \
         curl -s http://{address}/dev/outbox\n  \
         curl -s http://{address}/v1/checks -H 'Content-Type: application/json' \\\n       \
         -d '{{\"to\":\"+8613800138000\",\"purpose\":\"login\",\"code\":\"THE CODE\"}}'\n"
    );
}

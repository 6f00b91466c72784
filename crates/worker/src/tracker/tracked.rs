//! One task as tools see it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures::task::AtomicWaker;
use postrider_core::broker::message::{self, Message, Properties};
use postrider_core::celery::Arguments;
use postrider_core::celery::repr::{MASKED_ARGS, MASKED_KWARGS, args_repr, kwargs_repr};
use serde_json::{Map, Value, json};

use super::Arrived;

/// A task that is here, or that waits for its time.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) id: String,
    pub(crate) task: &'static str,
    pub(crate) sensitive: bool,
    queue: Arc<str>,
    priority: u8,
    redelivered: bool,
    body: Body,
    /// What its caller wants shown instead of the arguments: positional ones, a zero, those by keyword.
    shown: Option<Box<str>>,
    /// What few tasks have.
    extras: Option<Box<Extras>>,
    /// When it began to run, in milliseconds since the Unix epoch.
    started: AtomicI64,
    acknowledged: AtomicBool,
    /// The signal that a client wants it stopped by.
    signal: AtomicU8,
    waker: AtomicWaker,
}

/// What few tasks have, in one place so that the others keep no room for it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Extras {
    /// What its caller wants it called.
    shadow: Option<String>,
    /// The exchange and the routing key, unless it was published to its queue.
    published_to: Option<(String, String)>,
    stamps: Option<message::Table>,
}

/// What the arguments are read from.
#[derive(Debug, Clone)]
enum Body {
    /// JSON, as nearly always: the bytes say all.
    Json(Bytes),
    /// Anything else, with what says how it is to be read.
    Other(Box<Message>),
    /// They are too long to be kept.
    LeftOut,
}

impl Tracked {
    pub(crate) fn new(arrived: &Arrived<'_>) -> Self {
        let message = arrived.message;
        // Of a sensitive task nothing is kept that is never shown.
        let sensitive = arrived.sensitive;
        let shown = message.header("argsrepr").zip(message.header("kwargsrepr")).filter(|_| !sensitive);
        Self {
            id: arrived.headers.id.clone(),
            task: arrived.task,
            sensitive,
            queue: Arc::clone(arrived.queue),
            priority: message.properties.priority.unwrap_or(0),
            redelivered: arrived.redelivered,
            body: if sensitive { Body::Json(Bytes::new()) } else { Body::of(message) },
            shown: shown.map(|(args, kwargs)| [args, "\0", kwargs].concat().into_boxed_str()),
            extras: Extras::of(arrived).map(Box::new),
            started: AtomicI64::new(0),
            acknowledged: AtomicBool::new(false),
            signal: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        }
    }

    /// The same as it was when it arrived.
    pub(super) fn unstarted(&self) -> Self {
        Self {
            id: self.id.clone(),
            queue: Arc::clone(&self.queue),
            body: self.body.clone(),
            shown: self.shown.clone(),
            extras: self.extras.clone(),
            started: AtomicI64::new(0),
            acknowledged: AtomicBool::new(false),
            signal: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            ..*self
        }
    }

    /// It was acked before its run.
    pub(crate) fn acknowledged(&self) {
        self.acknowledged.store(true, Ordering::Relaxed);
    }

    /// It runs since then.
    pub(crate) fn started(&self, now_ms: i64) {
        self.started.store(now_ms.max(1), Ordering::Relaxed);
    }

    /// Whether it runs.
    pub(crate) fn is_active(&self) -> bool {
        self.started.load(Ordering::Relaxed) != 0
    }

    /// When it began to run, in milliseconds since the Unix epoch.
    pub(crate) fn since(&self) -> Option<i64> {
        Some(self.started.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// Wants it stopped by a signal of that number.
    pub(crate) fn terminate(&self, signal: u8) {
        self.signal.store(signal.max(1), Ordering::Release);
        self.waker.wake();
    }

    /// Waits until somebody wants it stopped.
    pub(crate) async fn terminated(&self) -> u8 {
        poll_fn(|context| {
            let told = || match self.signal.load(Ordering::Acquire) {
                0 => Poll::Pending,
                signal => Poll::Ready(signal),
            };
            if told().is_pending() {
                self.waker.register(context.waker());
                return told();
            }
            told()
        })
        .await
    }

    /// Its stamps.
    pub(crate) fn stamps(&self) -> Option<&message::Table> {
        self.extras.as_ref()?.stamps.as_ref()
    }

    /// The same without arguments that take more bytes than that.
    pub(super) fn shortened(mut self, most: usize) -> Self {
        if self.body.size() > most {
            self.body = Body::LeftOut;
        }
        self.shown = self.shown.filter(|shown| shown.len() <= most);
        self
    }

    /// What Celery calls a request. With `safe` the arguments are texts, and so they are where they were left out.
    pub(crate) fn info(&self, hostname: &str, safe: bool) -> Map<String, Value> {
        let started = self.started.load(Ordering::Relaxed);
        let (args, kwargs) = self.arguments(safe);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
        let time_start = (started != 0).then(|| started as f64 / 1000.0);
        let extras = self.extras.as_deref();
        let published_to = extras.and_then(|extras| extras.published_to.as_ref());
        let (exchange, routing_key) =
            published_to.map_or(("", &*self.queue), |(exchange, key)| (exchange, key));
        let info = json!({
            "id": self.id,
            "name": extras.and_then(|extras| extras.shadow.as_deref()).unwrap_or(self.task),
            "args": args,
            "kwargs": kwargs,
            "type": self.task,
            "hostname": hostname,
            "time_start": time_start,
            "acknowledged": self.acknowledged.load(Ordering::Relaxed),
            "delivery_info": {
                "exchange": exchange,
                "routing_key": routing_key,
                "priority": self.priority,
                "redelivered": self.redelivered,
            },
            "worker_pid": time_start.map(|_| std::process::id()),
        });
        let Value::Object(info) = info else { unreachable!("it is written as an object") };
        info
    }

    fn arguments(&self, safe: bool) -> (Value, Value) {
        let safe = safe || matches!(self.body, Body::LeftOut);
        let shown = self.shown.as_deref().and_then(|shown| shown.split_once('\0'));
        match (self.sensitive, safe, shown) {
            (true, true, _) => (MASKED_ARGS.into(), MASKED_KWARGS.into()),
            (true, false, _) => (json!(["***"]), json!({"***": "***"})),
            (false, true, Some((args, kwargs))) => (args.into(), kwargs.into()),
            (false, safe, _) => {
                let Arguments { args, kwargs } = self.body.read();
                if safe {
                    (args_repr(&args).into(), kwargs_repr(&kwargs).into())
                } else {
                    (args.into(), kwargs.into())
                }
            }
        }
    }
}

impl Extras {
    fn of(arrived: &Arrived<'_>) -> Option<Self> {
        let (exchange, key) = arrived.published_to;
        let direct = exchange.is_empty() && key == &**arrived.queue;
        let extras = Self {
            shadow: Some(arrived.name()).filter(|name| *name != arrived.task).map(str::to_owned),
            published_to: (!direct).then(|| (exchange.to_owned(), key.to_owned())),
            stamps: stamps(arrived.message).cloned(),
        };
        (extras != Self::default()).then_some(extras)
    }
}

impl Body {
    fn of(message: &Message) -> Self {
        let Properties { content_type, content_encoding, .. } = &message.properties;
        let json = content_type.as_deref().is_none_or(|kind| kind == "application/json");
        let utf8 = content_encoding.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("utf-8"));
        if json
            && utf8
            && !message.headers.contains_key("compression")
            && message.headers.contains_key("task")
        {
            Self::Json(message.body.clone())
        } else {
            Self::Other(Box::new(message.clone()))
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Json(bytes) => bytes.len(),
            Self::Other(message) => message.body.len(),
            Self::LeftOut => 0,
        }
    }

    /// The arguments; none where they cannot be read.
    fn read(&self) -> Arguments {
        match self {
            Self::LeftOut => {
                let kwargs = [("...".to_owned(), "...".into())].into_iter().collect();
                Ok(Arguments { args: vec!["...".into()], kwargs })
            }
            Self::Json(body) => {
                let headers = message::Table::from([("task".to_owned(), "".into())]);
                Arguments::read(&Message { body: body.clone(), headers, ..Message::default() })
            }
            Self::Other(message) => Arguments::read(message),
        }
        .unwrap_or_default()
    }
}

/// The stamps of a message. One without the header `stamped_headers` has none.
pub(crate) fn stamps(message: &Message) -> Option<&message::Table> {
    let stamped = matches!(message.headers.get("stamped_headers"), Some(message::Value::Array(names)) if !names.is_empty());
    match message.headers.get("stamps") {
        Some(message::Value::Table(stamps)) if stamped => Some(stamps),
        _ => None,
    }
}

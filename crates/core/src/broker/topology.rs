//! Every exchange, queue and binding, and every name of one: what there is to declare, as plain data.
//!
//! 1. A work queue `Q` has Celery's layout: a direct exchange `Q`, a queue `Q`, bound by the key `Q`. Publishing never
//!    uses the default exchange, so that a producer's broker user can be held to its own exchange.
//! 2. A delay goes down the ladder: topic exchanges and queues `postrider.delay.N`, N = 17..0, as Celery's native
//!    delayed delivery lays them out. Queue N holds a message 2^N seconds, then dead-letters it to exchange N - 1. The
//!    routing key is the delay in binary, most significant bit first, then the target: a 1 at place N enters queue N, a
//!    0 goes straight on. Below the last rung, `postrider.delay.due` routes by the target's name.
//! 3. A queue may be bound to further exchanges, as a Python shop declares them ([`QueueSpec`]). Postrider's own publishes
//!    to a queue never take that way, because such an exchange may lead to other queues too.
//! 4. `sms.dead` takes what cannot be done. It drops its oldest message when it is full and never refuses one.
//!
//! Nothing here talks to a broker; `amqp` declares it.

mod homes;
mod ladder;
mod native;
mod objects;
mod spec;

use std::time::Duration;

pub use homes::Home;
use ladder::one_word;
pub use ladder::{RUNGS, delay_route, delay_seconds, due_route, is_of_the_ladder};
pub use native::plain_key;
pub use objects::{Binding, Destination, Exchange, ExchangeKind, Queue, QueueType};
pub use spec::{Bound, QueueSpec};

use super::message::{Table, Value};

/// The dead-letter queue.
pub const DEAD: &str = "sms.dead";
/// The queue that the idle probe goes to. It holds one message.
pub const PROBE: &str = "postrider.probe";
/// A delivery limit that is never reached. Without one a quorum queue of RabbitMQ 4 has a limit of 20.
const PATIENT: Value = Value::I32(1_000_000);

/// How much the dead-letter queue keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLimits {
    /// Messages; the oldest goes first.
    pub max_length: u64,
    /// Time that a message stays.
    pub max_age: Duration,
}

/// What there is to declare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// Exchanges by name.
    pub exchanges: Vec<Exchange>,
    /// Queues by name, targets of dead-lettering before those that dead-letter to them.
    pub queues: Vec<Queue>,
    /// Bindings.
    pub bindings: Vec<Binding>,
}

impl Topology {
    /// A work queue that Postrider owns. What the broker gives up of a quorum queue goes to `<queue>.returned`, which the
    /// workers consume too: a message that was handed out 200 times without ever being settled, and one whose
    /// `expiration` ran out before a worker came. The broker would keep it as it is, code and number in the clear.
    #[must_use]
    pub fn work_queue(self, name: &str, kind: QueueType) -> Self {
        if kind == QueueType::Classic {
            return self.celery_layout(name, Table::new(), true);
        }
        let returned = returned(name);
        let arguments = table([
            ("x-queue-type", "quorum".into()),
            ("x-delivery-limit", Value::I32(200)),
            ("x-dead-letter-exchange", returned.as_str().into()),
            ("x-dead-letter-routing-key", returned.as_str().into()),
            ("x-dead-letter-strategy", "at-least-once".into()),
            ("x-overflow", "reject-publish".into()),
        ]);
        let patient = table([
            ("x-queue-type", "quorum".into()),
            ("x-delivery-limit", PATIENT),
            // Where no worker of ours runs, nobody takes from it.
            ("x-message-ttl", Value::I32(24 * 3600 * 1000)),
        ]);
        self.celery_layout(&returned, patient, true).celery_layout(name, arguments, true)
    }

    /// A queue that another program owns, created as Celery would where it is missing.
    #[must_use]
    pub fn foreign_queue(self, name: &str) -> Self {
        self.celery_layout(name, Table::new(), false)
    }

    /// The queue for tasks that were found on a foreign queue and that nobody here can run. Made as Celery would, so that
    /// `celery worker -Q <queue>.unclaimed` takes it as it is.
    #[must_use]
    pub fn unclaimed_queue(self, foreign: &str) -> Self {
        self.foreign_queue(&unclaimed(foreign))
    }

    /// The dead-letter queue. Every look with `dead list` counts as a delivery.
    #[must_use]
    pub fn dead_queue(self, kind: QueueType, limits: DeadLimits) -> Self {
        let mut arguments = table([
            ("x-max-length", Value::I64(i64::try_from(limits.max_length).unwrap_or(i64::MAX))),
            ("x-message-ttl", Value::I64(crate::clock::millis(limits.max_age))),
            ("x-overflow", "drop-head".into()),
        ]);
        if kind == QueueType::Quorum {
            arguments.insert("x-queue-type".into(), "quorum".into());
            arguments.insert("x-delivery-limit".into(), PATIENT);
        }
        self.celery_layout(DEAD, arguments, true)
    }

    /// The queue of the idle probe: it holds one message and drops the older one.
    #[must_use]
    pub fn probe_queue(self) -> Self {
        let arguments = table([("x-max-length", Value::I32(1)), ("x-overflow", "drop-head".into())]);
        self.celery_layout(PROBE, arguments, true)
    }

    /// The same, taken as it is where it is there: another process has made it, perhaps with other settings.
    #[must_use]
    pub fn as_found(mut self) -> Self {
        self.exchanges.iter_mut().for_each(|exchange| exchange.owned = false);
        self.queues.iter_mut().for_each(|queue| queue.owned = false);
        self
    }

    fn celery_layout(mut self, name: &str, arguments: Table, owned: bool) -> Self {
        self.add_exchange(name, ExchangeKind::Direct, owned);
        self.queues.push(Queue { name: name.into(), arguments, owned });
        self.bind(name, Destination::Queue(name.into()), name);
        self
    }

    fn add_exchange(&mut self, name: &str, kind: ExchangeKind, owned: bool) {
        if !self.exchanges.iter().any(|exchange| exchange.name == name) {
            self.exchanges.push(Exchange { name: name.into(), kind, owned });
        }
    }

    fn bind(&mut self, source: &str, destination: Destination, key: &str) {
        self.add_binding(Binding {
            source: source.into(),
            destination,
            key: key.into(),
            arguments: Table::new(),
        });
    }

    fn add_binding(&mut self, binding: Binding) {
        if !self.bindings.contains(&binding) {
            self.bindings.push(binding);
        }
    }
}

/// Why a queue of that name cannot be a work queue, if it cannot.
pub fn unusable(name: &str) -> Option<&'static str> {
    let ours = [DEAD, PROBE].contains(&name) || name.starts_with("postrider.");
    if ours || name.ends_with(".returned") {
        Some("is one of Postrider's own queues")
    } else if one_word(name).len() > 200 {
        Some("is too long for a routing key")
    } else {
        None
    }
}

/// Where tasks of a foreign queue go that nobody here can run.
pub fn unclaimed(foreign: &str) -> String {
    format!("{foreign}.unclaimed")
}

/// Where the broker puts what it gives up of a work queue.
pub fn returned(queue: &str) -> String {
    format!("{queue}.returned")
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

//! A worker of plain data behind a mailbox in memory, and who asks it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use postrider_core::broker::{Broker, Inquiry, MemoryBroker, Namespace, Replies};
use postrider_core::celery::control::{Reply, Request};
use postrider_core::clock::{Clock, ManualClock};
use postrider_core::shutdown::Shutdown;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::control::cards::{Bounds, BrokerCard, PoolCard, QueueCard, TaskCard};
use crate::control::controls::{Controls, NewConsumer, Refused};
use crate::control::{Control, ControlOptions, prepare};
use crate::observer::Observer;
use crate::rate_limit::Rate;
use crate::tracker::Tracked;
use crate::tracker::tests::{arrived, call};

/// The worker's name, as in the captures.
pub(super) const NODE: &str = "worker1@host";

/// A worker of plain data.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) solo: bool,
    /// What storing waits for, if it does.
    pub(super) stored: Option<Arc<Notify>>,
    pub(super) autoscaled: bool,
    /// What was asked of it.
    pub(super) done: Mutex<Vec<String>>,
}

impl Plain {
    fn did(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Controls for Plain {
    fn tasks(&self) -> Vec<TaskCard> {
        let card = |name: &str| TaskCard { name: name.into(), options: vec![("max_retries", "3".into())] };
        vec![card("add"), card("slow")]
    }

    fn queues(&self) -> Vec<QueueCard> {
        vec![QueueCard {
            name: "celery".into(),
            exchange: "celery".into(),
            exchange_type: "direct".into(),
            routing_key: "celery".into(),
            arguments: Map::new(),
        }]
    }

    fn waiting(&self) -> Vec<Tracked> {
        vec![Tracked::new(&arrived(&call("waiting")))]
    }

    fn pool(&self) -> PoolCard {
        let bounds = Bounds { max: 4, min: 1, current: 1, wanted: 0 };
        PoolCard {
            implementation: "postrider:async".into(),
            places: 2,
            timeouts: [0, 0],
            autoscaler: self.autoscaled.then_some(bounds),
        }
    }

    fn prefetch(&self) -> u32 {
        8
    }

    fn broker(&self) -> Option<BrokerCard> {
        Some(BrokerCard {
            host: "127.0.0.1".into(),
            port: 5672,
            user: "guest".into(),
            vhost: "wire".into(),
            tls: false,
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(4),
        })
    }

    fn settings(&self) -> Map<String, Value> {
        let settings = json!({
            "result_backend": "redis://127.0.0.1:6379/5", "result_expires": 86400, "task_send_sent_event": false,
            "broker_connection_retry_on_startup": true, "worker_disable_prefetch": false,
        });
        settings.as_object().unwrap().clone()
    }

    fn grow(&self, places: usize) -> Result<(), Refused> {
        match (self.solo, self.autoscaled) {
            (true, _) => return Err(Refused::Solo),
            (_, true) => return Err(Refused::Autoscaled),
            _ => {}
        }
        self.did(format!("grow {places}"));
        Ok(())
    }

    fn shrink(&self, places: usize) -> Result<(), Refused> {
        match (self.autoscaled, places) {
            (true, _) => Err(Refused::Autoscaled),
            (false, 1) => Ok(()),
            (false, _) => Err(Refused::Busy),
        }
    }

    fn autoscale(&self, max: Option<usize>, min: Option<usize>) -> Result<(usize, usize), Refused> {
        if self.autoscaled { Ok((max.unwrap_or(4), min.unwrap_or(1))) } else { Err(Refused::NotAutoscaled) }
    }

    fn limit_rate(&self, task: &str, _rate: Option<Rate>, text: &str) {
        self.did(format!("rate {task} {text}"));
    }

    fn limit_time(&self, task: &str, soft: Option<Duration>, hard: Option<Duration>) {
        self.did(format!("time {task} {soft:?} {hard:?}"));
    }

    fn add_consumer(&self, consumer: NewConsumer) {
        let NewConsumer { queue, exchange_type, kind, max_priority, .. } = consumer;
        self.did(format!("add {queue} {exchange_type:?} {kind:?} {max_priority:?}"));
    }

    fn cancel_consumer(&self, queue: &str) {
        self.did(format!("cancel {queue}"));
    }

    fn shut_down(&self) {
        self.did("stop".into());
    }

    async fn store_revoked(&self, ids: &[String]) {
        if let Some(stored) = &self.stored {
            stored.notified().await;
        }
        self.did(format!("revoked {}", ids.join(",")));
    }
}

pub(super) struct Desk {
    pub(super) broker: Broker,
    pub(super) memory: MemoryBroker,
    pub(super) controls: Arc<Plain>,
    pub(super) observer: Observer,
    pub(super) shutdown: Shutdown,
    control: Control,
    pub(super) clock: ManualClock,
}

pub(super) fn desk(autoscaled: bool) -> Desk {
    desk_of(Plain { autoscaled, ..Plain::default() })
}

pub(super) fn desk_of(controls: Plain) -> Desk {
    let clock = ManualClock::new(Timestamp::from_second(1_795_294_600).unwrap());
    let shutdown = Shutdown::new();
    let memory = MemoryBroker::new(&shutdown);
    let broker = Broker::Memory(memory.clone());
    let options = ControlOptions { mingle: false, ..ControlOptions::default() };
    let (observer, prepared) =
        prepare(NODE, &options, &["add", "slow"], &Clock::Manual(clock.clone())).unwrap();
    let controls = Arc::new(controls);
    let control = prepared.attend(&broker, Arc::<Plain>::clone(&controls), &shutdown);
    Desk { broker, memory, controls, observer, shutdown, control, clock }
}

impl Desk {
    /// Sends a request as captured, and returns the answer.
    pub(super) async fn ask(&self, body: &Value) -> Option<Value> {
        let request: Request = serde_json::from_value(body.clone()).unwrap();
        let key = request.reply_to.as_ref().unwrap().routing_key.clone();
        let replies = Replies { key, patience: Duration::from_millis(200), limit: Some(1) };
        let inquiry = Inquiry {
            namespace: Namespace::default(),
            request: request.message(1, 0.0),
            replies: Some(replies),
        };
        let replies = self.broker.ask(inquiry).await.unwrap();
        let mut read = replies
            .iter()
            .flat_map(|message| Reply::read(message, request.ticket.as_deref().unwrap()).unwrap());
        let reply = read.next()?;
        assert_eq!(reply.node, NODE);
        Some(reply.value)
    }

    /// Gives a command, and returns its answer.
    pub(super) async fn call(&self, method: &str, arguments: Value) -> Value {
        let reply_to = json!({"exchange": "reply.celery.pidbox", "routing_key": "k"});
        let body = json!({"method": method, "arguments": arguments, "ticket": "t", "reply_to": reply_to});
        self.ask(&body).await.unwrap()
    }

    /// Lets the worker go.
    pub(super) async fn close(self) {
        self.control.close();
        assert!(self.shutdown.drained(Duration::from_secs(5)).await);
    }
}

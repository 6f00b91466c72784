//! Remote control from the client's side: what `celery inspect` and `celery control` do, without Python.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::broker::{Broker, Inquiry, InquiryError, Namespace, Replies};
use crate::celery::Serializer;
use crate::celery::control::{Reply, ReplyTo, Request};
use crate::clock::Clock;

/// Asks nodes, Celery's and ours alike. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Remote {
    broker: Broker,
    namespace: Namespace,
    clock: Clock,
    serializer: Serializer,
}

/// What nodes said of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The names that each node gave.
    pub nodes: Vec<(String, Vec<String>)>,
    /// How many answers could not be read: somebody is there, and nothing is known of them.
    pub unreadable: usize,
}

impl Remote {
    /// A client on this broker.
    pub fn new(broker: Broker, namespace: Namespace, clock: Clock) -> Self {
        Self { broker, namespace, clock, serializer: Serializer::default() }
    }

    /// Writes requests with that serializer, for nodes that accept no JSON.
    #[must_use]
    pub fn with_serializer(self, serializer: Serializer) -> Self {
        Self { serializer, ..self }
    }

    /// Broadcasts a request and collects the replies that come with no more than `patience` between them. Nodes that are
    /// named are waited for no longer than until each has answered.
    pub async fn call(&self, request: Request, patience: Duration) -> Result<Vec<Reply>, InquiryError> {
        self.ask(request, patience).await.map(|(replies, _)| replies)
    }

    /// The replies, and how many could not be read.
    async fn ask(
        &self,
        mut request: Request,
        patience: Duration,
    ) -> Result<(Vec<Reply>, usize), InquiryError> {
        request.serializer = self.serializer;
        let (ticket, key) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        request.ticket = Some(ticket.clone());
        request.reply_to = Some(ReplyTo { exchange: self.namespace.reply(), routing_key: key.clone() });
        let limit = request.destination.as_ref().map(Vec::len).filter(|nodes| *nodes > 0);
        let inquiry = Inquiry {
            namespace: self.namespace.clone(),
            request: request.message(1, self.now() + patience.as_secs_f64()),
            replies: Some(Replies { key, patience, limit }),
        };
        let (mut replies, mut unreadable) = (Vec::new(), 0);
        for message in self.broker.ask(inquiry).await? {
            match Reply::read(&message, &ticket) {
                Ok(read) => replies.extend(read),
                Err(error) => {
                    tracing::warn!(%error, "the answer of a node cannot be read");
                    unreadable += 1;
                }
            }
        }
        Ok((replies, unreadable))
    }

    /// Broadcasts a request that nobody answers.
    pub async fn cast(&self, request: &Request) -> Result<(), InquiryError> {
        let request = Request { serializer: self.serializer, ..request.clone() }.message(1, 0.0);
        let inquiry = Inquiry { namespace: self.namespace.clone(), request, replies: None };
        self.broker.ask(inquiry).await.map(|_| ())
    }

    /// Tells all workers not to start tasks, and with `terminate` to stop those that run.
    pub async fn revoke(&self, ids: &[String], terminate: bool) -> Result<(), InquiryError> {
        let mut arguments = Map::new();
        arguments.insert("task_id".into(), ids.into());
        arguments.insert("terminate".into(), terminate.into());
        arguments.insert("signal".into(), "SIGTERM".into());
        self.cast(&Request::new("revoke", arguments)).await
    }

    /// What every node that answers in time says it can run: the names of tasks.
    pub async fn registered(&self, patience: Duration) -> Result<Told, InquiryError> {
        let name = |task: &Value| {
            // Celery adds the options of a task in brackets.
            Some(task.as_str()?.split(" [").next().unwrap_or_default().to_owned())
        };
        self.names("registered", name, patience).await
    }

    /// The names of the queues that every node that answers in time consumes.
    pub async fn active_queues(&self, patience: Duration) -> Result<Told, InquiryError> {
        let name = |queue: &Value| Some(queue.get("name")?.as_str()?.to_owned());
        self.names("active_queues", name, patience).await
    }

    /// What is answered to a request that is answered with lists.
    async fn names(
        &self,
        method: &str,
        name: impl Fn(&Value) -> Option<String>,
        patience: Duration,
    ) -> Result<Told, InquiryError> {
        let (replies, unreadable) = self.ask(Request::new(method, Map::new()), patience).await?;
        let mut told = Told { nodes: Vec::new(), unreadable };
        for Reply { node, value, .. } in replies {
            match value.as_array() {
                Some(listed) => told.nodes.push((node, listed.iter().filter_map(&name).collect())),
                // An error of its own.
                None => told.unreadable += 1,
            }
        }
        Ok(told)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
    fn now(&self) -> f64 {
        self.clock.now_ms() as f64 / 1000.0
    }
}

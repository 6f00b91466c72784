//! Remote control from the client's side: what `celery inspect` and `celery control` do, without Python.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::broker::{Broker, Inquiry, InquiryError, Namespace, Replies};
use crate::celery::control::{Reply, ReplyTo, Request};
use crate::clock::Clock;

/// Asks nodes, Celery's and ours alike. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Remote {
    broker: Broker,
    namespace: Namespace,
    clock: Clock,
}

impl Remote {
    /// A client on this broker.
    pub fn new(broker: Broker, namespace: Namespace, clock: Clock) -> Self {
        Self { broker, namespace, clock }
    }

    /// Broadcasts a request and collects the replies that come with no more than `patience` between them. Nodes that are
    /// named are waited for no longer than until each has answered.
    pub async fn call(&self, mut request: Request, patience: Duration) -> Result<Vec<Reply>, InquiryError> {
        let (ticket, key) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        request.ticket = Some(ticket.clone());
        request.reply_to = Some(ReplyTo { exchange: self.namespace.reply(), routing_key: key.clone() });
        let limit = request.destination.as_ref().map(Vec::len).filter(|nodes| *nodes > 0);
        let inquiry = Inquiry {
            namespace: self.namespace.clone(),
            request: request.message(1, self.now() + patience.as_secs_f64()),
            replies: Some(Replies { key, patience, limit }),
        };
        let replies = self.broker.ask(inquiry).await?;
        Ok(replies.iter().flat_map(|message| Reply::read(message, &ticket)).collect())
    }

    /// Broadcasts a request that nobody answers.
    pub async fn cast(&self, request: &Request) -> Result<(), InquiryError> {
        let inquiry =
            Inquiry { namespace: self.namespace.clone(), request: request.message(1, 0.0), replies: None };
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

    /// What every node that answers in time says it can run, by node: the names of tasks.
    pub async fn registered(&self, patience: Duration) -> Result<Vec<(String, Vec<String>)>, InquiryError> {
        let name = |task: &Value| {
            // Celery adds the options of a task in brackets.
            Some(task.as_str()?.split(" [").next().unwrap_or_default().to_owned())
        };
        let replies = self.call(Request::new("registered", Map::new()), patience).await?;
        let tasks = |reply: Reply| {
            let names = reply.value.as_array().map(|tasks| tasks.iter().filter_map(name).collect());
            (reply.node, names.unwrap_or_default())
        };
        Ok(replies.into_iter().map(tasks).collect())
    }

    /// The names of the queues that every node that answers in time consumes, by node.
    pub async fn active_queues(
        &self,
        patience: Duration,
    ) -> Result<Vec<(String, Vec<String>)>, InquiryError> {
        let name = |queue: &Value| Some(queue.get("name")?.as_str()?.to_owned());
        let replies = self.call(Request::new("active_queues", Map::new()), patience).await?;
        let queues = |reply: Reply| {
            let names = reply.value.as_array().map(|queues| queues.iter().filter_map(name).collect());
            (reply.node, names.unwrap_or_default())
        };
        Ok(replies.into_iter().map(queues).collect())
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
    fn now(&self) -> f64 {
        self.clock.now_ms() as f64 / 1000.0
    }
}

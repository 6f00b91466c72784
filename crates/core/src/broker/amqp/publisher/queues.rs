//! What is done with a queue by its name on the publishing connection: finding the way to it, looking at it, emptying it.

use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::FieldTable;

use super::super::super::message::Message;
use super::super::super::topology::{Home, QueueType, Topology, due_route, unusable};
use super::super::super::{NotPublished, PublishError};
use super::super::connect::{LinkError, within};
use super::super::{TopologyError, convert, declare};
use super::Publisher;

impl Publisher {
    /// Publishes to a queue. One that is not of the topology is tried through the exchange of its name, which Celery
    /// makes for every queue, and else through the default exchange, to which not every user may write.
    pub(in super::super) async fn publish_to_queue(
        &self,
        queue: &str,
        message: &Message,
    ) -> Result<(), PublishError> {
        match self.declared.home(queue) {
            Some(Home::Exchange) => return self.publish(queue, queue, message).await,
            Some(Home::Default) => return self.publish("", queue, message).await,
            None => {}
        }
        if !self.declared.goes_by_default(queue) {
            match self.publish(queue, queue, message).await {
                Err(PublishError::NotPublished(NotPublished::Returned(_))) => {}
                ended => return ended,
            }
        }
        self.publish("", queue, message).await?;
        self.declared.went_by_default(queue);
        Ok(())
    }

    /// Makes sure that the delay ladder leads to this queue. Where no worker has made the ladder yet, it is made.
    pub(in super::super) async fn lead_to(&self, queue: &str) -> Result<(), PublishError> {
        if self.declared.is_delayed(queue) {
            return Ok(());
        }
        let (foot, key) = due_route(queue);
        let mut bound = declare::bind(&self.link()?.connection, &self.config, foot, queue, &key).await;
        if bound.is_err() && !self.declared.has_exchange(foot) {
            let ladder = Topology::default().delay_ladder(QueueType::default(), []).as_found();
            if self.extend(ladder).await.is_ok() {
                bound = declare::bind(&self.link()?.connection, &self.config, foot, queue, &key).await;
            }
        }
        bound.map_err(|error: LinkError| {
            let unheard =
                matches!(error, LinkError::Timeout(_) | LinkError::Broker(_)) && error.soft().is_none();
            PublishError::NotPublished(if unheard {
                NotPublished::Disconnected
            } else {
                NotPublished::Returned(error.to_string())
            })
        })?;
        self.declared.delays(queue);
        Ok(())
    }

    /// Makes a queue that is not of the topology where it is missing, in Celery's layout. It is not made sure of again.
    pub(in super::super) async fn create(&self, queue: &str) -> bool {
        if self.declared.home(queue).is_some() || unusable(queue).is_some() {
            return false;
        }
        let Ok(link) = self.link() else { return false };
        let topology = Topology::default().foreign_queue(queue);
        match declare::ensure(&link.connection, &topology, &self.config).await {
            Ok(()) => {
                tracing::warn!(
                    queue.name = %queue,
                    "made a queue that was missing: where no worker takes from it, give the task a route ([[routes]], \
                     Celery's task_routes)"
                );
                true
            }
            Err(error) => {
                tracing::warn!(queue.name = %queue, %error, "a queue is missing and cannot be made");
                false
            }
        }
    }

    /// Makes sure of more, now and at each later connect.
    pub(in super::super) async fn extend(&self, more: Topology) -> Result<(), TopologyError> {
        let link = self.link().map_err(|error| TopologyError::Unreachable(error.to_string()))?;
        declare::ensure(&link.connection, &more, &self.config)
            .await
            .map_err(|error| TopologyError::from(&error))?;
        self.declared.extend(more);
        Ok(())
    }

    pub(in super::super) async fn depth(&self, queue: &str) -> Option<u64> {
        let link = self.link.borrow().clone()?;
        let limit = self.config.connect_timeout;
        // A channel of its own: asking for a queue that is not there closes the channel.
        let channel = within(limit, link.connection.create_channel()).await.ok()?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = convert::short(queue).ok()?;
        let state = within(limit, channel.queue_declare(name, options, FieldTable::default())).await.ok()?;
        let depth = u64::from(state.message_count());
        within(limit, channel.close(200, "done".into())).await.ok()?;
        Some(depth)
    }

    /// Throws away what lies ready in a queue, and tells how much it was.
    pub(in super::super) async fn purge(&self, queue: &str) -> Result<u64, TopologyError> {
        let unreachable = |error: String| TopologyError::Unreachable(error);
        let link = self.link().map_err(|error| unreachable(error.to_string()))?;
        let name = convert::short(queue).map_err(|error| TopologyError::Name(error.to_string()))?;
        let limit = self.config.connect_timeout;
        let purged = async {
            let channel = within(limit, link.connection.create_channel()).await?;
            let count = within(limit, channel.queue_purge(name, QueuePurgeOptions::default())).await?;
            within(limit, channel.close(200, "done".into())).await?;
            Ok::<_, LinkError>(count.into())
        };
        purged.await.map_err(|error| match error.soft() {
            Some(AMQPSoftError::NOTFOUND) => TopologyError::Missing(format!("the queue {queue}")),
            Some(_) => TopologyError::Refused(format!("to purge {queue}"), error.to_string()),
            None => unreachable(error.to_string()),
        })
    }
}

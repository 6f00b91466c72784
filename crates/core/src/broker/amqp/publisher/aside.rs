//! Publishing to an exchange that is not of the topology. It may not be there, or be closed to this user: then the broker
//! closes the channel, and says why.

use super::super::super::message::Message;
use super::super::super::{NotPublished, PublishError};
use super::Publisher;

impl Publisher {
    /// Publishes on the lane for such exchanges. What the broker says of this exchange by name was certainly refused.
    pub(super) async fn send_aside(
        &self,
        exchange: &str,
        key: &str,
        message: &Message,
    ) -> Result<(), PublishError> {
        let ready = Self::ready(exchange, key, message)?;
        let link = self.link()?;
        let _place = self.place().await?;
        let Ok(lane) = link.aside(self.config.connect_timeout).await else {
            return Err(PublishError::NotPublished(NotPublished::Disconnected));
        };
        let confirmed = lane.publish(ready.exchange, ready.key, &message.body, ready.properties);
        match self.in_time(confirmed).await {
            Err(PublishError::Unconfirmed(why)) if names(&why, exchange) => {
                Err(PublishError::NotPublished(NotPublished::Returned(why)))
            }
            ended => ended,
        }
    }
}

/// Whether the broker's words on a closed channel are about this exchange: then what was published to it is in no queue.
fn names(why: &str, exchange: &str) -> bool {
    let exchange = if exchange.is_empty() { "amq.default" } else { exchange };
    why.contains(&format!("exchange '{exchange}'"))
}

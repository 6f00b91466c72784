//! Asking all nodes something, on a connection made for it: a broadcast, and the replies that come in time.

use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, Consumer};
use tokio::time::timeout;

use super::super::mailbox::{Inquiry, InquiryError, Namespace, Replies, Said};
use super::super::message::Message;
use super::announcer::{CONTROL_FRAME_MAX, Voice, declare};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::convert;

/// Broadcasts the request and collects its replies.
pub(super) async fn ask(config: &AmqpConfig, inquiry: Inquiry) -> Result<Vec<Message>, InquiryError> {
    let told = |error: LinkError| InquiryError { text: error.to_string(), refused: error.is_refused() };
    let connection = config.connect_framed("inquiry", CONTROL_FRAME_MAX).await.map_err(told)?;
    let asked = broadcast(config, &connection, inquiry).await.map_err(told);
    close(&connection, config.connect_timeout).await;
    asked
}

async fn broadcast(
    config: &AmqpConfig,
    connection: &Connection,
    Inquiry { namespace, request, replies }: Inquiry,
) -> Result<Vec<Message>, LinkError> {
    let waiting = match &replies {
        Some(replies) => Some((listen(config, connection, &namespace, &replies.key).await?, replies)),
        None => None,
    };
    let said = Said { exchange: namespace.pidbox(), key: String::new(), message: request };
    Voice::new(connection, &namespace, config.connect_timeout).say(&said).await?;
    match waiting {
        Some((consumer, replies)) => collect(consumer, replies).await,
        None => Ok(Vec::new()),
    }
}

/// The queue that replies come to; it goes with the connection.
async fn listen(
    config: &AmqpConfig,
    connection: &Connection,
    namespace: &Namespace,
    key: &str,
) -> Result<Consumer, LinkError> {
    let limit = config.connect_timeout;
    let short = |name: &str| convert::short(name).map_err(|error| LinkError::Ended(error.to_string()));
    let (exchange, queue) = (namespace.reply(), namespace.reply_queue(key));
    let channel = within(limit, connection.create_channel()).await?;
    declare(&channel, namespace, &exchange, limit).await?;
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongInt(10_000));
    within(limit, channel.queue_declare(short(&queue)?, options, arguments)).await?;
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
    within(limit, channel.queue_bind(short(&queue)?, short(&exchange)?, short(key)?, bind, none)).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(short(&queue)?, "".into(), options, FieldTable::default());
    within(limit, consumer).await
}

async fn collect(mut consumer: Consumer, replies: &Replies) -> Result<Vec<Message>, LinkError> {
    let mut collected = Vec::new();
    while replies.limit.is_none_or(|limit| collected.len() < limit) {
        let Ok(reply) = timeout(replies.patience, consumer.next()).await else { break };
        let reply = reply.ok_or_else(|| LinkError::Ended("the queue of replies".into()))??;
        collected.push(convert::received(&reply.properties, reply.data));
    }
    Ok(collected)
}

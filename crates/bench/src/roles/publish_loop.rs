//! The ceiling of a producer: publishes ready-made bytes on the same library, each of them confirmed.
//!
//! Properties and headers are made once. Only the id changes, because no two messages may have the same.

use anyhow::Context as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use postrider_core::broker::message::{Message, Value};
use uuid::Uuid;

use crate::rig::broker::Queue;
use crate::rig::noop;
use crate::rig::pace::Pace;

/// Where to, and how many at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let connection = Connection::connect(&args.queue.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (publisher, queue) = (channel.clone(), args.queue.name.clone());
    let template = Template::of(&noop::message()?);
    let call = move || {
        let (channel, queue, template) = (publisher.clone(), queue.clone(), template.clone());
        async move { template.publish(&channel, &queue).await }
    };
    args.pace.repeat(call).await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// A message in the client library's own form.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    properties: BasicProperties,
    headers: FieldTable,
    body: bytes::Bytes,
}

impl Template {
    /// The same bytes as `message` has.
    pub(crate) fn of(message: &Message) -> Self {
        let mut headers = FieldTable::default();
        for (name, value) in &message.headers {
            headers.insert(name.as_str().into(), wire(value));
        }
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        let properties = BasicProperties::default()
            .with_content_type(text(&message.properties.content_type))
            .with_content_encoding(text(&message.properties.content_encoding))
            .with_delivery_mode(message.properties.delivery_mode.unwrap_or(2))
            .with_priority(message.properties.priority.unwrap_or(0));
        Self { properties, headers, body: message.body.clone() }
    }

    /// Publishes it under a new id and waits for the confirm.
    pub(crate) async fn publish(self, channel: &Channel, queue: &str) -> anyhow::Result<()> {
        let Self { properties, mut headers, body } = self;
        let id = Uuid::new_v4().to_string();
        for name in ["id", "root_id"] {
            headers.insert(name.into(), AMQPValue::LongString(id.as_str().into()));
        }
        let properties = properties.with_correlation_id(id.as_str().into()).with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm = channel.basic_publish(queue.into(), queue.into(), options, &body, properties).await?;
        match confirm.await? {
            Confirmation::Ack(None) => Ok(()),
            other => {
                Err(anyhow::anyhow!("the broker did not take a message: {other:?}")).context(queue.to_owned())
            }
        }
    }
}

/// The values that Celery's headers have.
fn wire(value: &Value) -> AMQPValue {
    match value {
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::I32(value) => AMQPValue::LongInt(*value),
        Value::I64(value) => AMQPValue::LongLongInt(*value),
        Value::Str(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(values) => AMQPValue::FieldArray(values.iter().map(wire).collect::<Vec<_>>().into()),
        Value::Table(table) => {
            let mut out = FieldTable::default();
            for (name, value) in table {
                out.insert(name.as_str().into(), wire(value));
            }
            AMQPValue::FieldTable(out)
        }
        _ => AMQPValue::Void,
    }
}

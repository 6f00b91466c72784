//! Making sure that the topology is there: passive first, created only where it is missing and only when allowed.
//!
//! With the right to configure, each queue of ours is also declared with its full arguments, which changes nothing when
//! they match and names the queue when they do not. A user without that right gets 403 there, which is no error: an
//! operator has declared the queues.

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::super::topology::{self, Binding, Destination, Exchange, Queue, Topology};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::convert;

/// What is wrong with the topology that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// Something is not there and must not or cannot be created.
    #[error(
        "{0} does not exist, and this user may not create it: run `postrider-worker topology apply` as one who may"
    )]
    Missing(String),
    /// A queue or exchange exists with other arguments.
    #[error(
        "{0} exists with other arguments than the configuration asks for: delete it when it is empty, or change \
         `type` of the queue in the configuration (the broker says: {1})"
    )]
    Mismatch(String, String),
    /// The broker does not do it for this user.
    #[error("the broker refuses {0}: give its user the right to read it (the broker says: {1})")]
    Refused(String, String),
    /// A name that AMQP cannot carry.
    #[error("{0}")]
    Name(String),
    /// The broker cannot be reached or does not answer.
    #[error("the broker cannot be asked: {0}")]
    Unreachable(String),
}

/// What a look at one object found.
enum Found {
    There,
    Missing,
    NotAllowed,
}

/// Looks at the topology, arguments included, and with `apply` creates what is missing. Connects for it.
pub async fn check_topology(
    config: &AmqpConfig,
    topology: &Topology,
    apply: bool,
) -> Result<(), TopologyError> {
    let config = AmqpConfig { declare: apply, ..config.clone() };
    let told = |error: LinkError| TopologyError::from(&error);
    let connection = config.connect("topology").await.map_err(told)?;
    let look = Look { connection: &connection, config: &config, compare: true, channel: None };
    let checked = look.go_through(topology).await.map_err(told);
    close(&connection, config.connect_timeout).await;
    checked
}

/// Makes sure of the whole topology on a connection that was just made.
pub(super) async fn ensure(
    connection: &Connection,
    topology: &Topology,
    config: &AmqpConfig,
) -> Result<(), LinkError> {
    Look { connection, config, compare: config.declare, channel: None }.go_through(topology).await
}

/// Binds one queue on a channel of its own. Where this user may not bind, an operator is taken to have done it.
pub(super) async fn bind(
    connection: &Connection,
    config: &AmqpConfig,
    exchange: &str,
    queue: &str,
    key: &str,
) -> Result<(), LinkError> {
    if !config.declare {
        return Ok(());
    }
    let limit = config.connect_timeout;
    let channel = within(limit, connection.create_channel()).await?;
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    let bound =
        within(limit, channel.queue_bind(short(queue)?, short(exchange)?, short(key)?, options, none)).await;
    match found(queue, bound)? {
        Found::There => within(limit, channel.close(200, "done".into())).await,
        Found::NotAllowed => Ok(()),
        Found::Missing => Err(TopologyError::Missing(format!("the queue {queue}")).into()),
    }
}

struct Look<'a> {
    connection: &'a Connection,
    config: &'a AmqpConfig,
    /// Whether what is there is declared again, which changes nothing and tells whether its arguments are ours.
    compare: bool,
    /// Used until a look fails: the broker closes the channel of a look that fails.
    channel: Option<Channel>,
}

#[derive(Clone, Copy)]
enum Object<'a> {
    Exchange(&'a Exchange),
    Queue(&'a Queue),
}

impl Object<'_> {
    fn describe(self) -> String {
        match self {
            Self::Exchange(exchange) => format!("the exchange {}", exchange.name),
            Self::Queue(queue) => format!("the queue {}", queue.name),
        }
    }

    fn owned(self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.owned,
            Self::Queue(queue) => queue.owned,
        }
    }
}

impl Look<'_> {
    async fn go_through(mut self, topology: &Topology) -> Result<(), LinkError> {
        let mut created = 0;
        for exchange in &topology.exchanges {
            created += self.make_sure(Object::Exchange(exchange)).await?;
        }
        for queue in &topology.queues {
            created += self.make_sure(Object::Queue(queue)).await?;
        }
        if self.config.declare {
            self.bind_all(&topology.bindings).await?;
        }
        if created > 0 {
            tracing::info!(created, "created the exchanges and queues that were missing");
        }
        Ok(())
    }

    /// How many objects were created: one or none.
    async fn make_sure(&mut self, object: Object<'_>) -> Result<u32, LinkError> {
        match self.declare(object, true).await? {
            Found::There if object.owned() && self.compare => self.declare(object, false).await.map(|_| 0),
            // Without the right to look there is no telling: the first publish or consume will say.
            Found::There | Found::NotAllowed => Ok(0),
            Found::Missing if self.config.declare => match self.declare(object, false).await? {
                Found::There => {
                    tracing::debug!("created {}", object.describe());
                    Ok(1)
                }
                Found::Missing | Found::NotAllowed => Err(TopologyError::Missing(object.describe()).into()),
            },
            Found::Missing => Err(TopologyError::Missing(object.describe()).into()),
        }
    }

    async fn declare(&mut self, object: Object<'_>, passive: bool) -> Result<Found, LinkError> {
        let limit = self.config.connect_timeout;
        let channel = self.take_channel().await?;
        let declared = match object {
            Object::Exchange(exchange) => {
                let kind = match exchange.kind {
                    topology::ExchangeKind::Direct => ExchangeKind::Direct,
                    topology::ExchangeKind::Topic => ExchangeKind::Topic,
                    topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
                    topology::ExchangeKind::Headers => ExchangeKind::Headers,
                };
                let options =
                    ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
                let none = FieldTable::default();
                within(limit, channel.exchange_declare(short(&exchange.name)?, kind, options, none)).await
            }
            Object::Queue(queue) => {
                let options =
                    QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
                let arguments =
                    if passive { Ok(FieldTable::default()) } else { convert::table_to(&queue.arguments) };
                let arguments = arguments.map_err(|error| TopologyError::Name(error.to_string()))?;
                let declared = channel.queue_declare(short(&queue.name)?, options, arguments);
                within(limit, declared).await.map(|_| ())
            }
        };
        let found = found(&object.describe(), declared)?;
        if let Found::There = found {
            self.channel = Some(channel);
        }
        Ok(found)
    }

    async fn bind_all(&mut self, bindings: &[Binding]) -> Result<(), LinkError> {
        let mut channel = self.take_channel().await?;
        for Binding { source, destination, key, arguments } in bindings {
            let (source_name, key) = (short(source)?, short(key)?);
            let arguments = convert::table_to(arguments);
            let arguments = arguments.map_err(|error| TopologyError::Name(error.to_string()))?;
            let bound = match destination {
                Destination::Queue(queue) => {
                    let options = QueueBindOptions::default();
                    let bind = channel.queue_bind(short(queue)?, source_name, key, options, arguments);
                    within(self.config.connect_timeout, bind).await
                }
                Destination::Exchange(exchange) => {
                    let options = ExchangeBindOptions::default();
                    let bind = channel.exchange_bind(short(exchange)?, source_name, key, options, arguments);
                    within(self.config.connect_timeout, bind).await
                }
            };
            if let Found::NotAllowed = found(source, bound)? {
                tracing::debug!(exchange = %source, "this user may not bind; an operator has");
                channel = self.take_channel().await?;
            }
        }
        self.channel = Some(channel);
        Ok(())
    }

    async fn take_channel(&mut self) -> Result<Channel, LinkError> {
        match self.channel.take() {
            Some(channel) => Ok(channel),
            None => within(self.config.connect_timeout, self.connection.create_channel()).await,
        }
    }
}

fn short(name: &str) -> Result<lapin::types::ShortString, TopologyError> {
    convert::short(name).map_err(|error| TopologyError::Name(error.to_string()))
}

fn found(what: &str, answer: Result<(), LinkError>) -> Result<Found, LinkError> {
    let Err(LinkError::Broker(error)) = answer else { return answer.map(|()| Found::There) };
    let ErrorKind::ProtocolError(protocol) = error.kind() else { return Err(error.into()) };
    match protocol.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Ok(Found::Missing),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Ok(Found::NotAllowed),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
            Err(TopologyError::Mismatch(what.into(), protocol.get_message().to_string()).into())
        }
        _ => Err(error.into()),
    }
}

//! Opening a connection, bounded in time.

use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::TopologyError;

/// Largest frame, in bytes: what RabbitMQ and its clients agree on unless they are told otherwise. A body travels in
/// several frames, the headers of a message must fit one, and the broker hands them out in one however small ours may be,
/// which ends the connection. The client library buffers 32 frames in each direction of each connection, so that this is
/// most of a worker's memory.
pub(super) const FRAME_MAX: u32 = 128 * 1024;

/// How to reach the broker.
#[derive(Debug, Clone)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:5672/vhost` or `amqps://…`.
    pub url: SecretString,
    /// Shown in the broker's list of connections.
    pub name: String,
    /// The peers' sign of life; a silent peer is given up after two of them.
    pub heartbeat: Duration,
    /// The longest wait for a connection, and for each step of building on it.
    pub connect_timeout: Duration,
    /// The longest wait for a publish to be confirmed.
    pub publish_timeout: Duration,
    /// Whether missing queues are created. Without it they must be there.
    pub declare: bool,
}

/// Why something cannot be done on a connection.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker ended the subscription to {0}")]
    Ended(String),
    #[error("{0}")]
    Topology(#[from] TopologyError),
    // The library's text quotes the address, password and all.
    #[error(
        "it is not an AMQP URI: write amqp://user:password@host:5672/vhost, other characters percent-encoded"
    )]
    Uri,
    #[error("a message was not confirmed in time")]
    Unconfirmed,
}

impl LinkError {
    /// Whether the broker refuses it to this user (403).
    pub(super) fn is_refused(&self) -> bool {
        self.soft() == Some(&AMQPSoftError::ACCESSREFUSED)
    }

    /// Whether another connection has it for itself (405).
    pub(super) fn is_locked(&self) -> bool {
        self.soft() == Some(&AMQPSoftError::RESOURCELOCKED)
    }

    /// Why the broker refuses a step, where it goes on with the connection.
    pub(super) fn soft(&self) -> Option<&AMQPSoftError> {
        let Self::Broker(error) = self else { return None };
        let ErrorKind::ProtocolError(error) = error.kind() else { return None };
        match error.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft),
            AMQPErrorKind::Hard(_) => None,
        }
    }
}

impl From<&LinkError> for TopologyError {
    fn from(error: &LinkError) -> Self {
        match error {
            LinkError::Topology(error) => error.clone(),
            error => Self::Unreachable(error.to_string()),
        }
    }
}

impl AmqpConfig {
    /// Reads the address, so that a wrong one is found before anything is started.
    pub fn check(&self) -> Result<(), String> {
        self.uri().map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, LinkError> {
        self.connect_framed(purpose, FRAME_MAX).await
    }

    /// The same with other frames: smaller ones save memory where little is said.
    pub(super) async fn connect_framed(
        &self,
        purpose: &str,
        frame_max: u32,
    ) -> Result<Connection, LinkError> {
        let properties =
            ConnectionProperties::default().with_connection_name(format!("{} {purpose}", self.name).into());
        let mut uri = self.uri()?;
        uri.query.frame_max = Some(frame_max);
        within(self.connect_timeout, Connection::connect_uri(uri, properties)).await
    }

    fn uri(&self) -> Result<AMQPUri, LinkError> {
        let mut uri: AMQPUri = self.url.expose_secret().parse().map_err(|_: String| LinkError::Uri)?;
        uri.query.frame_max = Some(FRAME_MAX);
        uri.query.heartbeat = Some(u16::try_from(self.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX));
        Ok(uri)
    }
}

/// Bounds a step on a connection: no await on the network is without an end.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match tokio::time::timeout(limit, step).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(LinkError::Timeout(limit)),
    }
}

/// Closes in the background of the caller's patience: the broker may be gone already.
pub(super) async fn close(connection: &Connection, limit: Duration) {
    let farewell = ShortString::from("done");
    if let Err(error) = within(limit, connection.close(200, farewell)).await {
        tracing::debug!(%error, "the connection was not closed in order");
    }
}

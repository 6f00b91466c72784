//! Where a broker is, as it may be shown.

use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::ExposeSecret as _;

use super::super::mailbox::Address;
use super::connect::AmqpConfig;

impl AmqpConfig {
    /// Where the broker is, without the password.
    pub fn address(&self) -> Option<Address> {
        let uri: AMQPUri = self.url.expose_secret().parse().ok()?;
        Some(Address {
            tls: uri.scheme == AMQPScheme::AMQPS,
            user: uri.authority.userinfo.username,
            host: uri.authority.host,
            port: uri.authority.port,
            vhost: uri.vhost,
            heartbeat: self.heartbeat,
            connect_timeout: self.connect_timeout,
        })
    }
}

//! One script on one shared connection, with nothing around it.

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, Script};

/// A record of the same size as a verification's.
const RECORD: [(&str, &str); 12] = [
    ("v", "1"),
    ("app", "shop"),
    ("purpose", "login"),
    ("to", "+86138****8000"),
    ("mac", "p1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ("created", "1700000000000"),
    ("expires", "1700000300000"),
    ("resend", "1700000060000"),
    ("left", "5"),
    ("approved", ""),
    ("delivery", "queued"),
    ("previous", ""),
];

/// A connection and the script.
#[derive(Clone)]
pub(super) struct Store {
    connection: MultiplexedConnection,
    script: Script,
}

impl Store {
    pub(super) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { connection, script: Script::new(include_str!("slot.lua")) })
    }

    /// Takes the number's slot and keeps the record. `false` where the slot is taken.
    pub(super) async fn take(&self, number: &str, id: &str) -> anyhow::Result<bool> {
        let mut call = self.script.prepare_invoke();
        call.key(format!("bare:n:{number}"))
            .key(format!("bare:v:{id}"))
            .key(format!("bare:l:{number}"))
            .arg(id);
        for (name, value) in RECORD {
            call.arg(name).arg(value);
        }
        let taken: i64 = call.invoke_async(&mut self.connection.clone()).await?;
        Ok(taken == 1)
    }
}

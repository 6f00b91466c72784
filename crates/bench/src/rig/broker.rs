//! The broker of the run: our own client for what is published, and the queues that it needs.

use std::time::Duration;

use postrider_core::broker::topology::{QueueType, Topology};
use postrider_core::broker::{AmqpBroker, AmqpConfig};
use postrider_core::shutdown::Shutdown;
use secrecy::SecretString;

/// Where the broker is and which queue is used.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Queue {
    /// The broker.
    #[arg(long, default_value = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    pub(crate) amqp_url: String,
    /// The queue; its exchange has its name.
    #[arg(id = "queue", long = "queue", default_value = "bench")]
    pub(crate) name: String,
    /// A quorum queue as Postrider declares it; else a classic one as Python does.
    #[arg(long)]
    pub(crate) quorum: bool,
}

impl Queue {
    /// The queue and what publishing needs, for our client to declare.
    pub(crate) fn topology(&self) -> Topology {
        let topology = Topology::default().probe_queue();
        if self.quorum {
            topology.work_queue(&self.name, QueueType::Quorum)
        } else {
            topology.foreign_queue(&self.name)
        }
    }

    /// Our client, with the timeouts of the shipped configuration.
    pub(crate) fn broker(&self, name: &str, shutdown: &Shutdown) -> AmqpBroker {
        let config = AmqpConfig {
            url: SecretString::from(self.amqp_url.clone()),
            name: name.to_owned(),
            heartbeat: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            publish_timeout: Duration::from_secs(10),
            declare: true,
        };
        AmqpBroker::start(config, self.topology(), shutdown)
    }
}

//! Core's own client of a broker, as producers and workers of the tests have it.

use std::time::Duration;

use postrider_core::{
    broker::{AmqpBroker, AmqpConfig, Broker, topology::Topology},
    shutdown::Shutdown,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A broker, once it is connected. It declares `topology` and the probe's queue.
pub async fn connected(url: &str, topology: Topology, shutdown: &Shutdown) -> Broker {
    let config = AmqpConfig {
        url: url.into(),
        name: "test".into(),
        heartbeat: TIMEOUT,
        connect_timeout: TIMEOUT,
        publish_timeout: TIMEOUT,
        declare: true,
    };
    let broker = AmqpBroker::start(config, topology.probe_queue(), shutdown);
    broker.connected().await;
    Broker::Amqp(broker)
}

//! Results through the broker while the broker goes away and comes back.

use std::time::Duration;

use postrider_core::{
    broker::{AmqpBroker, AmqpConfig, Broker, message::Properties, topology::Topology},
    clock::Clock,
    results::{Meta, ResultOptions, Results, RpcResults},
    shutdown::Shutdown,
};
use postrider_tests::servers::RabbitMq;
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);

async fn connected(url: &str, shutdown: &Shutdown) -> Broker {
    let config = AmqpConfig {
        url: url.to_owned().into(),
        name: "test".into(),
        heartbeat: TIMEOUT,
        connect_timeout: TIMEOUT,
        publish_timeout: TIMEOUT,
        declare: true,
    };
    let broker = AmqpBroker::start(config, Topology::default().probe_queue(), shutdown);
    broker.connected().await;
    Broker::Amqp(broker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_over_a_restart_of_the_broker_is_answered() {
    let (mut rabbitmq, shutdown) = (RabbitMq::start().await, Shutdown::new());
    let options = ResultOptions { patience: PATIENCE, persistent: true, ..ResultOptions::default() };
    let [theirs, ours] =
        [connected(&rabbitmq.url(), &shutdown).await, connected(&rabbitmq.url(), &shutdown).await];
    let caller = RpcResults::listening_on(theirs.clone(), "answers".into(), options.clone(), &shutdown);
    let (caller, worker) = (Results::Rpc(caller), Results::Rpc(RpcResults::new(ours.clone(), options)));
    caller.listening().await;
    let asked = Properties { reply_to: caller.reply_to().map(str::to_owned), ..Properties::default() };
    let answer = async |id: &str| {
        let meta = Meta::success(id, json!(id), Clock::System.now());
        worker.store(&meta, &asked).await.unwrap();
    };

    let [during, after] = ["during", "after"].map(|id| caller.of(id));
    let (waited, ()) = tokio::join!(during.get::<String>(PATIENCE), async {
        rabbitmq.stop().await;
        let ((), ()) = tokio::join!(answer("during"), rabbitmq.start_again());
    });
    let (later, ()) = tokio::join!(after.get::<String>(PATIENCE), answer("after"));

    assert_eq!((waited.unwrap(), later.unwrap()), ("during".to_owned(), "after".to_owned()));
    shutdown.stop();
    for broker in [theirs, ours] {
        broker.close();
    }
    assert!(shutdown.drained(PATIENCE).await, "something still runs");
}

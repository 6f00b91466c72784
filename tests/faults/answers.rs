//! Results through the broker while the broker goes away and comes back.

use std::time::Duration;

use postrider_core::{
    broker::{message::Properties, topology::Topology},
    clock::Clock,
    results::{Meta, ResultOptions, Results, RpcResults},
    shutdown::Shutdown,
};
use postrider_tests::{broker::connected, servers::RabbitMq};
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_over_a_restart_of_the_broker_is_answered() {
    let (mut rabbitmq, shutdown) = (RabbitMq::start().await, Shutdown::new());
    let options = ResultOptions { patience: PATIENCE, persistent: true, ..ResultOptions::default() };
    let client = async || connected(&rabbitmq.url(), Topology::default(), &shutdown).await;
    let [theirs, ours] = [client().await, client().await];
    let caller = RpcResults::listening_on(theirs.clone(), "answers".into(), options.clone(), &shutdown);
    let (caller, worker) = (Results::Rpc(caller), Results::Rpc(RpcResults::new(ours.clone(), options)));
    caller.listening().await.expect("the broker is there");
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

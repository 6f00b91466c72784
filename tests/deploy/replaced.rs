//! The must-hold of every release: the api and all workers are replaced one after another under load, and nobody notices.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use postrider_tests::{
    api::ApiSetup,
    provider::Provider,
    servers::eventually,
    worker::{PATIENCE, Setup},
};

use super::{load, stand_in::StandIn};

const RATE: u32 = 500;
const WORKERS: [&str; 2] = ["postrider-worker@1.service", "postrider-worker@2.service"];
const API: &str = "postrider-api.service";

#[tokio::test(flavor = "multi_thread")]
async fn at_500_requests_a_second_no_request_fails_and_every_code_is_sent_once() {
    let provider = Provider::start().await;
    // A build without optimisations on a busy machine may fall behind the rate; what is late is not what this is about.
    let setup = Setup::new("replaced")
        .provider(&provider)
        .set("worker.concurrency", "100")
        .text("redis.timeout", "30s")
        .text("amqp.publish_timeout", "30s")
        .text("log.level", "info");
    let api = ApiSetup::new(&setup)
        .text("http.drain_delay", "1s")
        .text("http.request_timeout", "30s")
        .text("http.shutdown_timeout", "30s")
        .text("redis.timeout", "30s")
        .text("amqp.publish_timeout", "30s")
        .text("log.level", "info");
    let mut host = StandIn::new(&setup, &api).await;
    for unit in WORKERS.iter().chain([&API]) {
        assert!(host.start(unit).await, "{unit} did not start");
    }
    let before: Vec<u32> = WORKERS.iter().chain([&API]).filter_map(|unit| host.pid(unit)).collect();

    let stop = Arc::new(AtomicBool::new(false));
    let address = host.address.clone();
    let clients = load::run(&address, RATE, Arc::clone(&stop));
    let replacing = async {
        provider.wait_for(RATE as usize, PATIENCE).await;
        let rollout = host.rollout(&["--api"]).await;
        // What was replaced last has work too.
        let sent = provider.texts().len();
        let goes_on = eventually(PATIENCE, async || provider.texts().len() > sent + RATE as usize).await;
        stop.store(true, Ordering::SeqCst);
        (rollout, goes_on)
    };
    let (outcome, ((code, said), goes_on)) = tokio::join!(clients, replacing);

    eprintln!("{}", load::summary(&outcome));
    assert_eq!(code, Some(0), "{said}");
    assert!(goes_on, "nothing is sent after the rollout");
    let after: Vec<u32> = WORKERS.iter().chain([&API]).filter_map(|unit| host.pid(unit)).collect();
    assert!(after.len() == 3 && before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    assert!(outcome.failed.is_empty(), "{}", load::summary(&outcome));
    assert!(outcome.reused > outcome.asked / 4, "{}", load::summary(&outcome));

    let all = eventually(PATIENCE, async || provider.texts().len() >= outcome.created.len()).await;
    host.stop_all().await;
    let mut sent: HashMap<String, usize> = HashMap::new();
    for (_, to, _) in provider.texts() {
        *sent.entry(to).or_default() += 1;
    }
    let lost: Vec<_> = outcome.created.iter().filter(|to| !sent.contains_key(*to)).collect();
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty() && all, "{} lost: {:?}", lost.len(), lost.first());
    assert!(twice.is_empty(), "{} sent more than once: {:?}", twice.len(), twice.first());
    assert_eq!(provider.requests().len(), outcome.created.len(), "provider calls");
    assert_eq!(setup.dead_letters().await, []);
    // Fails where something is left: with no worker, what was not acked is ready again.
    setup.clean_up().await;
}

//! `scripts/rollout`: what it does in which order, and where it stops.

use postrider_tests::{
    api::ApiSetup,
    celery::send_sms,
    provider::{Answer, Provider},
    servers::eventually,
    worker::{PATIENCE, Setup},
};

use super::{SOON, stand_in::StandIn};

const FIRST: &str = "postrider-worker@1.service";
const SECOND: &str = "postrider-worker@2.service";
const SPARE: &str = "postrider-worker@rollout.service";

async fn host(setup: &Setup) -> StandIn {
    let mut host = StandIn::new(setup, &ApiSetup::new(setup)).await;
    for unit in [FIRST, SECOND] {
        assert!(host.start(unit).await, "{unit} did not start");
    }
    host
}

/// What changes something, of all that was asked.
fn changes(host: &StandIn) -> Vec<String> {
    let looks = ["list-units", "is-active", "show", "status"];
    host.asked.iter().filter(|line| !looks.iter().any(|look| line.starts_with(look))).cloned().collect()
}

#[tokio::test]
async fn a_spare_comes_first_and_each_worker_is_ready_before_the_next_one_goes() {
    let setup = Setup::new("rollout");
    let mut host = host(&setup).await;

    let (dry, plan) = host.rollout(&["--dry-run"]).await;
    assert_eq!((dry, changes(&host)), (Some(0), vec![]), "{plan}");
    let (code, said) = host.rollout(&[]).await;

    assert_eq!(code, Some(0), "{said}");
    let expected = [
        format!("start {SPARE}"),
        format!("stop {FIRST}"),
        format!("start {FIRST}"),
        format!("stop {SECOND}"),
        format!("start {SECOND}"),
        format!("stop {SPARE}"),
    ];
    assert_eq!(changes(&host), expected, "{said}");
    for change in expected {
        assert!(plan.contains(&format!("would run: systemctl {change}")), "{change} in {plan}");
    }
    assert_eq!(host.units(), [FIRST, SECOND]);
    host.stop_all().await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_worker_that_does_not_finish_its_work_stops_the_rollout_and_the_others_go_on() {
    let provider = Provider::answering(|_| Answer::silence()).await;
    let setup = Setup::new("rollout-late").provider(&provider).text("worker.drain_timeout", "300ms");
    let setup = setup.set("worker.concurrency", "1").set("worker.prefetch", "1");
    let mut host = StandIn::new(&setup, &ApiSetup::new(&setup)).await;
    assert!(host.start(FIRST).await);
    let amqp = setup.amqp().await;
    amqp.publish(&setup.queue, &send_sms("rollout-late", "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;
    assert!(host.start(SECOND).await);

    let (code, said) = host.rollout(&[]).await;

    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("{FIRST} did not finish its work")), "{said}");
    assert!(said.contains("postrider-worker@rollout.service runs on"), "{said}");
    assert_eq!(host.units(), [SECOND, SPARE]);
    host.stop_all().await;
    assert!(eventually(PATIENCE, async || amqp.ready(&setup.queue).await == Some(1)).await, "it is lost");
    amqp.take(&setup.queue, SOON).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_new_worker_that_cannot_start_replaces_nobody() {
    let setup = Setup::new("rollout-bad");
    let mut host = host(&setup).await;
    let before = [host.pid(FIRST), host.pid(SECOND)];
    std::fs::write(setup.path("worker.toml"), "[worker]\nconcurrency = 0\n").unwrap();

    let (code, said) = host.rollout(&[]).await;

    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("{SPARE} did not become ready")) && said.contains("nothing was replaced"),
        "{said}"
    );
    assert_eq!([host.pid(FIRST), host.pid(SECOND)], before);
    host.stop_all().await;
    setup.clean_up().await;
}

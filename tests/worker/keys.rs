//! The keys that tasks are sealed with: without them nothing is consumed, with others a task waits for its own.

use std::{fs, time::Duration};

use postrider_core::{
    broker::topology::Topology, seal::KeyRing, task::Signature, verification::DeliveryState,
};
use postrider_tests::{
    celery::send_sms,
    provider::Provider,
    servers::eventually,
    worker::{PATIENCE, Setup, ended},
};

use super::{SOON, fresh_id};

const NO_ARGS: [&str; 0] = [];
const NO_ENV: [(&str, &str); 0] = [];

#[tokio::test]
async fn a_worker_without_its_key_consumes_nothing_and_names_the_setting() {
    let setup = Setup::new("no-key");
    assert!(setup.command(&["topology", "apply"]).await.status.success());
    let amqp = setup.amqp().await;
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

    let missing = setup.path("missing").to_string_lossy().into_owned();
    let bad = setup.path("bad");
    fs::write(&bad, "k1 not-hex\n").unwrap();
    for setting in [None, Some(missing), Some(bad.to_string_lossy().into_owned())] {
        let mut broken = Setup::new("no-key").without("keys.seal_file");
        if let Some(path) = &setting {
            broken = broken.text("keys.seal_file", path);
        }
        let output = ended(broken.spawn(["-Q", &setup.queue], NO_ENV)).await;
        assert_eq!(output.status.code(), Some(78), "{setting:?}: {}", output.text);
        assert!(output.text.contains("keys.seal_file"), "{setting:?}: {}", output.text);
        assert!(!output.text.contains("not-hex"), "{}", output.text);
    }

    assert_eq!(amqp.ready(&setup.queue).await, Some(1));
    amqp.take(&setup.queue, SOON).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn systemds_credential_is_the_key_where_none_is_set() {
    let setup = Setup::new("credential");
    let folder = setup.path("").to_string_lossy().into_owned();
    let setup = setup.without("keys.seal_file");

    let mut worker = setup.spawn(NO_ARGS, [("CREDENTIALS_DIRECTORY", folder.as_str())]);

    worker.wait_for_line(|line| line.contains("consuming queues="), PATIENCE).await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_task_waits_for_a_worker_that_holds_its_key() {
    let provider = Provider::start().await;
    let setup = Setup::new("other-key").provider(&provider);
    let mut worker = setup.start().await;
    let verification = setup.issue("+8613912345678", "012345", Duration::from_mins(5)).await;
    let producer = setup.producer(Topology::default()).await;
    let line = KeyRing::generate_line("k2");
    let other = KeyRing::parse(&line).unwrap();

    let id = producer.enqueue(Signature::new(verification.task(&other)).queue(&setup.queue)).await.unwrap();
    let cannot =
        |line: &str| line.contains("cannot open a task") && line.contains(&id) && line.contains("ERROR");
    worker.wait_for_line(cannot, SOON).await;
    assert_eq!(setup.dead_letters().await, []);
    let old = fs::read_to_string(setup.path("seal")).unwrap();
    fs::write(setup.path("seal"), format!("{line}\n{old}\n")).unwrap();
    worker.sigterm();
    assert!(ended(worker).await.status.success());
    let worker = setup.start().await;

    assert_eq!(provider.wait_for(1, SOON).await[0].code, "012345");
    assert!(eventually(SOON, async || setup.delivery(&verification).await == DeliveryState::Sent).await);
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_task_that_finds_no_key_waits_no_longer_than_its_code_lives() {
    let setup = Setup::new("no-key-ever");
    let mut worker = setup.start().await;
    let verification = setup.issue("+8613912345678", "012345", Duration::from_secs(4)).await;
    let producer = setup.producer(Topology::default()).await;
    let other = KeyRing::parse(&KeyRing::generate_line("k2")).unwrap();

    let id = producer.enqueue(Signature::new(verification.task(&other)).queue(&setup.queue)).await.unwrap();

    worker.wait_for_line(|line| line.contains("end of life has passed") && line.contains(&id), SOON).await;
    assert_eq!(setup.delivery(&verification).await, DeliveryState::Expired);
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
}

//! Calls that stock Celery wrote: the captures of `fixtures/celery`.

use std::collections::BTreeSet;

use postrider_tests::{
    celery::{call, fixture},
    provider::Provider,
    worker::Setup,
};
use serde_json::json;

use super::SOON;

/// Captures of `ccp_send_sms_code('13800138000', '123456')`, each with another option of the call. The times in them
/// are past.
const CALLS: [&str; 15] = [
    "task-argsrepr",
    "task-compression-gzip",
    "task-countdown",
    "task-custom-headers",
    "task-delay",
    "task-expiration-prop",
    "task-ignore-result",
    "task-kwargs",
    "task-priority",
    "task-queue-named",
    "task-retried-message",
    "task-routing-key-only",
    "task-sendtask",
    "task-serializer-msgpack",
    "task-shadow-taskid",
];

#[tokio::test]
async fn every_captured_call_of_the_tutorials_task_is_executed() {
    let provider = Provider::start().await;
    let setup = Setup::new("captured").provider(&provider);
    let worker = setup.start().await;
    let amqp = setup.amqp().await;

    let mut ids = BTreeSet::new();
    for name in CALLS {
        let message = fixture(name);
        assert!(ids.insert(message.text("id").unwrap()), "{name} has an id of its own");
        amqp.publish(&setup.queue, &message).await;
    }

    let requests = provider.wait_for(CALLS.len(), SOON).await;
    let executed: BTreeSet<String> = requests.iter().map(|request| request.id.clone()).collect();
    assert_eq!(executed, ids);
    for request in requests {
        let sent = (request.to.as_str(), request.code.as_str(), request.minutes);
        assert_eq!(sent, ("+8613800138000", "123456", 5), "{}", request.id);
    }
    let log = setup.finish(worker).await;
    assert!(!log.contains("13800138000") && !log.contains("123456"), "{log}");
}

#[tokio::test]
async fn a_link_of_a_captured_call_is_published_with_the_result() {
    let provider = Provider::start().await;
    let setup = Setup::new("linked").provider(&provider);
    let worker = setup.start().await;

    let mut message = fixture("task-link");
    let body = String::from_utf8(message.body).expect("JSON is text");
    // The links go to the test's own queue, where no worker knows them.
    message.body =
        body.replace("\"options\": {}", &format!("\"options\": {{\"queue\": {:?}}}", setup.queue)).into();
    setup.amqp().await.publish(&setup.queue, &message).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!(letters.len(), 1, "the link, and not the error link: {letters:?}");
    assert_eq!((letters[0].task.as_str(), letters[0].reason.as_str()), ("noop", "unknown_task"));
    assert_ne!(Some(&letters[0].id), message.text("id").as_ref());
    setup.finish(worker).await;
}

#[tokio::test]
async fn arguments_may_be_mixed_and_numbers_may_be_numbers() {
    let provider = Provider::start().await;
    let setup = Setup::new("arguments").provider(&provider);
    let worker = setup.start().await;
    let amqp = setup.amqp().await;

    let calls = [
        (json!(["13800138000"]), json!({"sms_code": "123456"})),
        (json!([]), json!({"mobile": "13800138000", "sms_code": "123456"})),
        (json!([13_800_138_000_u64, 123_456]), json!({})),
        (json!(["+86 138-0013-8000", "123456"]), json!({"a_later_option": true})),
    ];
    for (args, kwargs) in &calls {
        let message = call("ccp_send_sms_code", &super::fresh_id(), args, kwargs);
        amqp.publish(&setup.queue, &message).await;
    }

    for request in provider.wait_for(calls.len(), SOON).await {
        assert_eq!((request.to.as_str(), request.code.as_str()), ("+8613800138000", "123456"));
    }
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_call_in_a_form_that_is_not_read_is_kept_with_the_setting_to_change() {
    let setup = Setup::new("serializers");
    let worker = setup.start().await;
    let amqp = setup.amqp().await;

    let cases = [
        ("task-compression-bzip2", "task_compression"),
        ("task-serializer-pickle", "task_serializer"),
        ("task-serializer-yaml", "task_serializer"),
    ];
    for (name, _) in cases {
        amqp.publish(&setup.queue, &fixture(name)).await;
    }

    let letters = setup.wait_for_dead_letters(cases.len(), SOON).await;
    for (name, setting) in cases {
        let id = fixture(name).text("id").unwrap();
        let letter =
            letters.iter().find(|letter| letter.id == id).unwrap_or_else(|| panic!("{name} is kept"));
        assert_eq!(letter.reason, "undecodable", "{name}");
        assert!(letter.detail.contains(setting), "{name}: {}", letter.detail);
    }
    setup.finish(worker).await;
}

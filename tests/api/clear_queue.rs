//! `payload = "clear"`: the task as Python's own producer would have enqueued it.

use jiff::Timestamp;
use postrider_tests::{
    amqp::Envelope,
    api::{Api, ApiSetup},
    celery::CCP,
    provider::Provider,
    servers::eventually,
    worker::Setup,
};
use serde_json::{Value, json};

use super::{NUMBER, SOON, discard};

fn body(message: &Envelope) -> Value {
    serde_json::from_slice(&message.body).expect("the body is JSON")
}

async fn clear(setup: &Setup) -> Api {
    ApiSetup::new(setup).text("queue.payload", "clear").start().await
}

#[tokio::test]
async fn the_message_is_the_tutorials_task_with_number_and_code_and_its_end_of_life() {
    let setup = Setup::new("clear");
    let api = clear(&setup).await;

    let created = api.create(NUMBER).await;
    let message = setup.amqp().await.take(&setup.queue, SOON).await;

    assert_eq!(message.text("task").as_deref(), Some(CCP));
    let (content_type, mode) = (message.properties.content_type(), message.properties.delivery_mode());
    assert_eq!((content_type, mode), (&Some("application/json".into()), &Some(2)));
    let expires: Timestamp = message.text("expires").expect("it has an end").parse().unwrap();
    let told: Timestamp = created.text_of("expires_at").parse().unwrap();
    assert_eq!(expires.as_millisecond(), told.as_millisecond());
    let body = body(&message);
    assert_eq!((&body[0][0], &body[1]), (&json!("13800138000"), &json!({})), "{body}");
    let code = body[0][1].as_str().expect("a text, for its leading zeros").to_owned();
    // Tools show the headers.
    assert_eq!(message.text("argsrepr").as_deref(), Some("('***',)"));
    let headers = format!("{:?}", message.properties);
    assert!(!headers.contains("13800138000"), "{headers}");
    let approved = api.check(created.id(), &code).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}

#[tokio::test]
async fn a_number_abroad_is_written_in_its_international_form() {
    let setup = Setup::new("clear-abroad");
    let api = clear(&setup).await;

    assert_eq!(api.create("+44 7911 123456").await.status, 201);

    let message = setup.amqp().await.take(&setup.queue, SOON).await;
    assert_eq!(body(&message)[0][0], "+447911123456");
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}

#[tokio::test]
async fn our_worker_sends_it_too_and_writes_the_state_back() {
    let provider = Provider::start().await;
    let setup = Setup::new("clear-worker").provider(&provider);
    let worker = setup.start().await;
    let api = clear(&setup).await;

    let created = api.create(NUMBER).await;
    let request = provider.wait_for(1, SOON).await[0].clone();

    assert_eq!(request.to, NUMBER);
    let path = format!("/v1/verifications/{}", created.id());
    let sent = async || api.get(&path).await.body["delivery"]["state"] == "sent";
    assert!(eventually(SOON, sent).await, "{}", api.get(&path).await.text);
    assert_eq!(api.check(created.id(), &request.code).await.status, 200);
    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_sealed_message_shows_neither_number_nor_code_and_has_an_end_too() {
    let provider = Provider::start().await;
    let setup = Setup::new("sealed").provider(&provider);
    let api = ApiSetup::new(&setup).start().await;

    let created = api.create(NUMBER).await;
    let message = setup.amqp().await.browse(&setup.queue).await.remove(0);
    let worker = setup.start().await;
    let code = provider.wait_for(1, SOON).await[0].code.clone();

    assert_eq!(message.text("task").as_deref(), Some("sms.send_code"));
    let expires: Timestamp = message.text("expires").expect("it has an end").parse().unwrap();
    let told: Timestamp = created.text_of("expires_at").parse().unwrap();
    assert_eq!(expires.as_millisecond(), told.as_millisecond());
    let text = format!("{:?} {}", message.properties, String::from_utf8_lossy(&message.body));
    assert!(!text.contains("13800138000") && !text.contains(&format!("\"{code}\"")), "{text}");
    api.finish().await;
    setup.finish(worker).await;
}

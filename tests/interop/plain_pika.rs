//! pika without Celery, in both directions, by the file that the documentation shows.

use std::time::Duration;

use postrider_core::{celery::format_instant, clock::Clock, task::Signature, tasks::CcpSendSmsCode};
use postrider_tests::{provider::Provider, worker::Setup};

use crate::{SOON, as_celery, python};

#[tokio::test]
async fn a_task_that_pika_published_is_executed() {
    let provider = Provider::start().await;
    let setup = Setup::new("pika-send").provider(&provider);
    let worker = setup.start().await;

    let id = python::script(&setup, "plain_pika.py", &["send", &setup.amqp_url, &setup.queue]).await;

    let request = provider.wait_for(1, SOON).await.remove(0);
    assert_eq!((request.id, request.to.as_str(), request.code.as_str()), (id, "+8613800138000", "123456"));
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_task_that_our_producer_enqueued_in_the_clear_is_read_by_pika() {
    let setup = Setup::new("pika-read").foreign();
    let producer = setup.producer(as_celery(&setup)).await;
    let expires = Clock::System.now().checked_add(Duration::from_mins(5)).unwrap();

    let task = CcpSendSmsCode { mobile: "13800138000".into(), sms_code: "012345".into() };
    let id = producer.enqueue(Signature::new(task).queue(&setup.queue).expires(expires)).await.unwrap();
    let read = python::script(&setup, "plain_pika.py", &["read", &setup.amqp_url, &setup.queue]).await;

    assert_eq!(read, format!("{id} 13800138000 012345 {}", format_instant(expires)));
    setup.clean_up().await;
}

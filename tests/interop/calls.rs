//! `ccp_send_sms_code.delay(...)` on the queue that Celery makes, executed by our worker.

use postrider_tests::{provider::Provider, worker::Setup};

use crate::{SOON, arrival_ms, python};

/// Prints the ids and, before the last call, the time in milliseconds.
const CALLS: &str = r#"
import time
from shop import ccp_send_sms_code as sms
print(sms.delay("13800138000", "123456").id)
print(sms.delay(mobile="13800138001", sms_code="012345").id)
print(sms.apply_async(("13800138002", "123456"), expires=300).id)
print(int(time.time() * 1000))
print(sms.apply_async(("13800138003", "123456"), countdown=2).id)
"#;

#[tokio::test]
async fn every_form_of_the_call_is_executed() {
    let provider = Provider::start().await;
    let setup = Setup::new("calls").provider(&provider).foreign();

    // Python comes first and declares the queue.
    let printed = python::run(&setup, &["-c", CALLS]).await;
    let worker = setup.start().await;

    let mut requests = provider.wait_for(4, SOON).await;
    requests.sort_by(|a, b| a.to.cmp(&b.to));
    let lines: Vec<&str> = printed.lines().collect();
    let expected = [
        (lines[0], "+8613800138000", "123456"),
        (lines[1], "+8613800138001", "012345"),
        (lines[2], "+8613800138002", "123456"),
        (lines[4], "+8613800138003", "123456"),
    ];
    let seen: Vec<_> = requests.iter().map(|sent| (&*sent.id, &*sent.to, &*sent.code)).collect();
    assert_eq!(seen, expected);
    let called: i64 = lines[3].parse().unwrap();
    let waited = arrival_ms(&requests[3]) - called;
    assert!(waited >= 1999, "countdown=2 came after {waited} ms");
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_queue_that_our_worker_made_is_the_one_that_celery_expects() {
    let provider = Provider::start().await;
    let setup = Setup::new("ours-first").provider(&provider).foreign();
    let worker = setup.start().await;

    let call = "from shop import ccp_send_sms_code as sms; print(sms.delay('13800138000', '123456').id)";
    let id = python::run(&setup, &["-c", call]).await;

    assert_eq!(provider.wait_for(1, SOON).await[0].id, id);
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_call_whose_expires_is_past_is_not_executed() {
    let provider = Provider::start().await;
    let setup = Setup::new("expires").provider(&provider).foreign();
    let mut worker = setup.start().await;

    // A time zone of its own, as a shop in China writes it.
    let call = "from datetime import datetime, timedelta, timezone as tz; from shop import ccp_send_sms_code as sms\n\
                past = datetime.now(tz(timedelta(hours=8))) - timedelta(seconds=1)\n\
                print(sms.apply_async(('13800138000', '123456'), expires=past).id)";
    let id = python::run(&setup, &["-c", call]).await;

    // RabbitMQ may drop it first, for its property `expiration`; the next call shows that it was not executed.
    let next = "from shop import ccp_send_sms_code as sms; print(sms.delay('13800138001', '123456').id)";
    let next = python::run(&setup, &["-c", next]).await;
    let done = |line: &str| line.contains("task succeeded") && line.contains(&next);
    worker.wait_for_line(done, SOON).await;
    assert!(provider.requests().iter().all(|request| request.id != id));
    setup.finish(worker).await;
}

//! What our side enqueues, delays or forwards, executed by a stock Celery worker.

use std::time::Duration;

use postrider_core::{clock::Clock, task::Signature, tasks::CcpSendSmsCode};
use postrider_tests::{
    celery::{CCP, send_sms, text},
    provider::{Answer, Provider},
    worker::{Setup, ended},
};

use crate::{SOON, as_celery, python};

#[tokio::test]
async fn a_stock_worker_executes_what_our_producer_enqueues() {
    let setup = Setup::new("to-python").foreign();
    let producer = setup.producer(as_celery(&setup)).await;
    let mut worker = python::celery_worker(&setup, &setup.queue).await;

    let task = || CcpSendSmsCode { mobile: "13800138000".into(), sms_code: "012345".into() };
    let expires = Clock::System.now().checked_add(Duration::from_mins(5)).unwrap();
    let plain = producer.enqueue(Signature::new(task()).queue(&setup.queue)).await.unwrap();
    let expiring =
        producer.enqueue(Signature::new(task()).queue(&setup.queue).expires(expires)).await.unwrap();

    for id in [plain, expiring] {
        let printed = format!("SMS {id} 13800138000 012345 retries 0");
        worker.wait_for_line(|line| line.contains(&printed), SOON).await;
        let succeeded = |line: &str| line.contains(&id) && line.contains("succeeded");
        worker.wait_for_line(succeeded, SOON).await;
    }
    worker.sigterm();
    ended(worker).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_stock_worker_does_not_execute_what_has_expired() {
    let setup = Setup::new("to-python-late").foreign();
    let producer = setup.producer(as_celery(&setup)).await;
    let mut worker = python::celery_worker(&setup, &setup.queue).await;

    let task = CcpSendSmsCode { mobile: "13800138000".into(), sms_code: "012345".into() };
    let id = producer
        .enqueue(Signature::new(task).queue(&setup.queue).expires(Clock::System.now()))
        .await
        .unwrap();

    worker.wait_for_line(|line| line.contains("Discarding revoked task") && line.contains(&id), SOON).await;
    assert!(!worker.log().contains("SMS "));
    worker.sigterm();
    ended(worker).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_stock_worker_finishes_what_our_worker_delayed() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("finish").provider(&provider).foreign();
    let mut ours = setup.start().await;
    let call = "from shop import ccp_send_sms_code as sms; print(sms.delay('13800138000', '123456').id)";
    let id = python::run(&setup, &["-c", call]).await;
    ours.wait_for_line(|line| line.contains("task will be retried") && line.contains(&id), SOON).await;
    ours.sigterm();
    assert!(ended(ours).await.status.success());

    let mut theirs = python::celery_worker(&setup, &setup.queue).await;

    let printed = format!("SMS {id} 13800138000 123456 retries 1");
    theirs.wait_for_line(|line| line.contains(&printed), SOON).await;
    theirs.wait_for_line(|line| line.contains(&id) && line.contains("succeeded"), SOON).await;
    theirs.sigterm();
    ended(theirs).await;
    setup.clean_up().await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_task_of_the_shop_on_the_shared_queue_is_forwarded_and_its_worker_runs_it_from_there() {
    let provider = Provider::start().await;
    let setup = Setup::new("shared").provider(&provider).foreign();
    let ours = setup.start().await;
    let unclaimed = format!("{}.unclaimed", setup.queue);

    let calls = "from shop import ccp_send_sms_code as sms, count_stock\n\
                 headers = {'tenant': 't1'}\n\
                 print(count_stock.apply_async((7,), {'unit': 'kg'}, headers=headers, priority=3).id)\n\
                 print(sms.delay('13800138000', '123456').id)";
    let printed = python::run(&setup, &["-c", calls]).await;
    let (stock, sms) = printed.split_once('\n').unwrap();
    assert_eq!(provider.wait_for(1, SOON).await[0].id, sms);
    let mut theirs = python::celery_worker(&setup, &unclaimed).await;

    let printed = format!("STOCK {stock} 7 kg t1");
    theirs.wait_for_line(|line| line.contains(&printed), SOON).await;
    theirs.sigterm();
    ended(theirs).await;
    setup.finish(ours).await;
}

/// The reference's rules for a producer are kept by what our tests write, too.
#[tokio::test]
async fn a_message_of_these_tests_is_one_that_a_stock_worker_executes() {
    let setup = Setup::new("ours-as-theirs").foreign();
    let mut worker = python::celery_worker(&setup, &setup.queue).await;

    let message = send_sms("by-hand-1", "13800138000", "123456").with_header("task", text(CCP));
    setup.amqp().await.publish(&setup.queue, &message).await;

    worker.wait_for_line(|line| line.contains("SMS by-hand-1 13800138000 123456"), SOON).await;
    worker.sigterm();
    ended(worker).await;
    setup.clean_up().await;
}

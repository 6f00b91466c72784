//! The documented route: a queue of its own for the SMS task, declared alike by Python and by our worker.

use std::collections::BTreeMap;

use postrider_tests::{provider::Provider, worker::Setup};

use crate::{SOON, arrival_ms, python};

#[tokio::test]
async fn the_arguments_in_the_documentation_are_those_that_the_worker_prints() {
    let setup = Setup::new("arguments");

    let printed = setup.command(&["topology", "print"]).await.text;
    let show = "from shop_own_queue import app, sms\n\
                queue = app.conf.task_queues[1]\n\
                assert (queue.name, queue.exchange.name, queue.routing_key) == (sms, sms, sms)\n\
                assert (queue.exchange.type, queue.durable, queue.exchange.durable) == ('direct', True, True)\n\
                for name, value in queue.queue_arguments.items(): print(f'{name}={value}')";
    let python = python::run(&setup, &["-c", show]).await;

    let queue = format!("queue {} (durable) ", setup.queue);
    let ours = printed.lines().find_map(|line| line.strip_prefix(&queue)).unwrap();
    assert_eq!(pairs(ours.split(' ')), pairs(python.lines()));
}

#[tokio::test]
async fn the_queue_that_python_declared_is_taken_by_our_worker() {
    let provider = Provider::start().await;
    let setup = Setup::new("python-first").provider(&provider);
    let id = python::script(&setup, "shop_own_queue.py", &[]).await;

    let worker = setup.start().await;

    assert_eq!(provider.wait_for(1, SOON).await[0].id, id);
    let log = setup.finish(worker).await;
    assert!(!log.contains("other arguments"), "{log}");
}

#[tokio::test]
async fn the_queue_that_our_worker_declared_is_taken_by_python() {
    let provider = Provider::start().await;
    let setup = Setup::new("worker-first").provider(&provider);
    let worker = setup.start().await;

    let id = python::script(&setup, "shop_own_queue.py", &[]).await;

    let request = provider.wait_for(1, SOON).await.remove(0);
    assert_eq!((request.id, request.to.as_str(), request.code.as_str()), (id, "+8613800138000", "123456"));
    setup.finish(worker).await;
}

/// Celery looks for delay queues of its own when a queue is quorum, finds a direct exchange, and leaves the wait to the
/// worker.
#[tokio::test]
async fn a_countdown_on_the_queue_is_kept() {
    let provider = Provider::start().await;
    let setup = Setup::new("countdown").provider(&provider);
    let worker = setup.start().await;

    let call = "import time\n\
                from shop_own_queue import ccp_send_sms_code as sms\n\
                print(int(time.time() * 1000))\n\
                print(sms.apply_async(('13800138000', '123456'), countdown=3).id)";
    let printed = python::run(&setup, &["-c", call]).await;

    let request = provider.wait_for(1, SOON).await.remove(0);
    // A warning of Celery's stands between the two.
    let called: i64 = printed.lines().next().unwrap().parse().unwrap();
    assert!(printed.ends_with(&request.id), "{printed}");
    let waited = arrival_ms(&request) - called;
    assert!(waited >= 2999, "countdown=3 came after {waited} ms");
    setup.finish(worker).await;
}

/// On a topic exchange Celery sends such a call through the broker's delay queues, which both sides declare alike.
#[tokio::test]
async fn a_countdown_that_celery_leaves_to_the_broker_is_kept() {
    let provider = Provider::start().await;
    let setup = Setup::new("delayed").provider(&provider).queue_set("exchange_type", "\"topic\"");
    let worker = setup.start().await;

    let call = "import time\n\
                from celery.signals import after_task_publish\n\
                from kombu import Exchange\n\
                import shop_own_queue as shop\n\
                shop.app.conf.task_queues[1].exchange = Exchange(shop.sms, type='topic')\n\
                def show(exchange=None, **kwargs): print(exchange.name)\n\
                after_task_publish.connect(show)\n\
                print(int(time.time() * 1000))\n\
                print(shop.ccp_send_sms_code.apply_async(('13800138000', '123456'), countdown=3).id)";
    let printed = python::run(&setup, &["-c", call]).await;

    let request = provider.wait_for(1, SOON).await.remove(0);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[1..], ["celery_delayed_27", &request.id], "{printed}");
    let waited = arrival_ms(&request) - lines[0].parse::<i64>().unwrap();
    assert!(waited >= 2999, "countdown=3 came after {waited} ms");
    setup.finish(worker).await;
}

fn pairs<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, &'a str> {
    lines.filter_map(|line| line.split_once('=')).collect()
}

//! What a worker takes messages from may change while it works, and what waits in it too long goes back.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use postrider_core::broker::message::{Message, Properties, Value};
use postrider_core::broker::topology::{QueueSpec, Topology};
use postrider_core::broker::{Broker, Consumer, Delivery, NotPublished, PublishError, Subscription};
use postrider_core::shutdown::Shutdown;
use postrider_tests::{amqp::Envelope, broker::connected, servers::eventually, worker::Setup};

use super::SOON;

/// Long enough that a message would have come, were it to come.
const QUIET: Duration = Duration::from_millis(300);

async fn broker(setup: &Setup, topology: Topology) -> Broker {
    connected(&setup.amqp_url, topology, &Shutdown::new()).await
}

fn from(queue: &str, prefetch: u16) -> Subscription {
    Subscription { queue: queue.into(), prefetch, withheld: false }
}

fn message(body: &str) -> Message {
    let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
    Message { properties, body: body.to_owned().into(), ..Message::default() }
}

async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(SOON, consumer.next()).await.expect("a delivery comes").expect("it goes on")
}

async fn is_quiet(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(QUIET, consumer.next()).await.is_err()
}

/// A classic queue and a quorum queue, and the other one of each pair.
fn pairs(setup: &Setup) -> [(QueueSpec, QueueSpec); 2] {
    let classic = |name: &str| QueueSpec::foreign(&format!("{}.{name}", setup.queue));
    let quorum = |name: &str| QueueSpec::owned(&format!("{}.{name}", setup.queue));
    [(classic("a"), classic("b")), (quorum("c"), quorum("d"))]
}

async fn remove(setup: &Setup, specs: &[(QueueSpec, QueueSpec)]) {
    let names: Vec<String> =
        specs.iter().flat_map(|(one, other)| [one.name.clone(), other.name.clone()]).collect();
    let amqp = setup.amqp().await;
    for suffix in ["", ".returned", ".unclaimed"] {
        amqp.delete(names.iter().map(|name| format!("{name}{suffix}"))).await;
    }
}

#[tokio::test]
async fn a_queue_is_added_and_another_is_cancelled_while_messages_flow() {
    let setup = Setup::new("add");
    let specs = pairs(&setup);
    for (first, second) in &specs {
        let broker = broker(&setup, Topology::default().queue(first)).await;
        let mut consumer = broker.consume(vec![from(&first.name, 10)], &Shutdown::new());
        let consumers = consumer.consumers();
        broker.publish(&first.name, &message("1")).await.unwrap();
        let running = next(&mut consumer).await;

        broker.extend(Topology::default().queue(second)).await.unwrap();
        assert!(consumers.add(from(&second.name, 10)).await && !consumers.add(from(&second.name, 10)).await);
        broker.publish(&second.name, &message("2")).await.unwrap();
        let added = next(&mut consumer).await;
        assert_eq!((&*added.queue, &*added.message.body), (second.name.as_str(), &b"2"[..]));
        assert!(added.ack().await);

        assert!(consumers.cancel(&first.name).await && !consumers.cancel(&first.name).await);
        broker.publish(&first.name, &message("3")).await.unwrap();
        assert!(is_quiet(&mut consumer).await, "a queue that was cancelled is still consumed");
        assert!(running.ack().await, "what was begun before is settled as ever");

        consumers.add(from(&first.name, 10)).await;
        let again = next(&mut consumer).await;
        assert_eq!(&*again.message.body, b"3", "{}", first.name);
        assert!(again.ack().await);
        consumer.cancel().await;
        consumer.close();
    }
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn what_was_handed_out_and_not_begun_goes_back_when_its_queue_is_cancelled() {
    let setup = Setup::new("back");
    let specs = pairs(&setup);
    for (spec, _) in &specs {
        let broker = broker(&setup, Topology::default().queue(spec)).await;
        for body in ["1", "2", "3"] {
            broker.publish(&spec.name, &message(body)).await.unwrap();
        }
        let mut consumer = broker.consume(vec![from(&spec.name, 10)], &Shutdown::new());
        let running = next(&mut consumer).await;
        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(0)).await);

        consumer.consumers().cancel(&spec.name).await;

        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(2)).await, "{}", spec.name);
        assert!(!consumer.liveness().is_live(), "nothing is consumed");
        assert!(running.ack().await);
        consumer.cancel().await;
        consumer.close();
        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(2)).await);
    }
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn another_prefetch_counts_from_then_on_for_classic_and_quorum_queues() {
    let setup = Setup::new("prefetch");
    let specs = pairs(&setup);
    for (spec, _) in &specs {
        let broker = broker(&setup, Topology::default().queue(spec)).await;
        for number in 0..10 {
            broker.publish(&spec.name, &message(&number.to_string())).await.unwrap();
        }
        let mut consumer = broker.consume(vec![from(&spec.name, 2)], &Shutdown::new());
        let mut held = vec![next(&mut consumer).await, next(&mut consumer).await];
        assert!(is_quiet(&mut consumer).await);

        consumer.consumers().set_prefetch(4);

        // What the first prefetch had handed out does not count against the second.
        for _ in 0..4 {
            held.push(next(&mut consumer).await);
        }
        assert!(is_quiet(&mut consumer).await, "{}", spec.name);
        for delivery in held {
            assert!(delivery.ack().await);
        }
        for _ in 0..4 {
            assert!(next(&mut consumer).await.ack().await);
        }
        consumer.cancel().await;
        consumer.close();
        assert_eq!(broker.depth(&spec.name).await, Some(0));
    }
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn a_task_that_runs_while_the_prefetch_changes_is_not_acked_with_those_that_came_after_it() {
    let setup = Setup::new("changes");
    let specs = pairs(&setup);
    for (spec, _) in &specs {
        let broker = broker(&setup, Topology::default().queue(spec)).await;
        let publish = async |number: u32| broker.publish(&spec.name, &message(&number.to_string())).await;
        futures::future::try_join_all((0..200).map(publish)).await.unwrap();
        // More than lie between the connection and the pool, so that some wait in the client library.
        let mut consumer = broker.consume(vec![from(&spec.name, 100)], &Shutdown::new());
        let mut taken = Vec::new();
        for _ in 0..10 {
            taken.push(next(&mut consumer).await);
        }
        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(100)).await);

        consumer.consumers().set_prefetch(110);

        while taken.len() < 200 {
            taken.push(next(&mut consumer).await);
        }
        // The last of those that the first prefetch had handed out.
        let last = taken.iter().position(|delivery| &*delivery.message.body == b"99").unwrap();
        let running = taken.remove(last);
        for delivery in taken {
            assert!(delivery.ack().await);
        }
        consumer.cancel().await;
        consumer.close();
        let amqp = setup.amqp().await;
        let is_there = async || amqp.browse(&spec.name).await.iter().any(|message| message.body == b"99");
        assert!(eventually(SOON, is_there).await, "{}", spec.name);
        drop(running);
    }
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn what_waits_for_a_place_too_long_goes_back_and_comes_again_when_there_is_one() {
    let setup = Setup::new("waits");
    let specs = pairs(&setup);
    for (spec, _) in &specs {
        let broker = broker(&setup, Topology::default().queue(spec)).await;
        // More than lie between the connection and the pool, so that some wait in the client library.
        for number in 0..100 {
            broker.publish(&spec.name, &message(&number.to_string())).await.unwrap();
        }
        let mut consumer = broker.consume(vec![from(&spec.name, 200)], &Shutdown::new());
        let running = next(&mut consumer).await;
        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(0)).await);

        consumer.consumers().hold_at_most(Duration::from_millis(400));

        assert!(eventually(SOON, async || broker.depth(&spec.name).await == Some(99)).await, "{}", spec.name);
        assert!(consumer.liveness().is_live(), "a busy worker works");
        consumer.consumers().hold_at_most(SOON);
        for _ in 0..99 {
            assert!(next(&mut consumer).await.ack().await);
        }
        assert!(running.ack().await);
        consumer.cancel().await;
        consumer.close();
        assert_eq!(broker.depth(&spec.name).await, Some(0));
    }
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn a_queue_that_was_added_is_made_and_consumed_again_after_the_connection_broke() {
    let setup = Setup::new("again");
    let specs = pairs(&setup);
    let (first, second) = &specs[0];
    let broker = broker(&setup, Topology::default().queue(first)).await;
    let mut consumer = broker.consume(vec![from(&first.name, 10)], &Shutdown::new());
    broker.extend(Topology::default().queue(second)).await.unwrap();
    consumer.consumers().add(from(&second.name, 10)).await;

    // Whoever consumes a queue that is deleted loses its connection, and builds all of it anew.
    setup.amqp().await.delete([&second.name]).await;

    assert!(
        eventually(SOON, async || broker.publish(&second.name, &message("1")).await.is_ok()).await,
        "the queue was not made again"
    );
    assert_eq!(&*next(&mut consumer).await.queue, second.name);
    consumer.cancel().await;
    consumer.close();
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn what_nobody_took_before_its_connection_broke_comes_once_and_can_be_acked() {
    let setup = Setup::new("once");
    let specs = pairs(&setup);
    let (kept, deleted) = (&specs[0].0.name, &specs[0].1.name);
    let topology = Topology::default().queue(&specs[0].0).queue(&specs[0].1);
    let broker = broker(&setup, topology).await;
    for body in ["1", "2", "3"] {
        broker.publish(kept, &message(body)).await.unwrap();
    }
    let mut consumer = broker.consume(vec![from(kept, 10), from(deleted, 10)], &Shutdown::new());
    let consumers = consumer.consumers();
    assert!(eventually(SOON, async || consumers.waiting() == 3).await);

    setup.amqp().await.delete([deleted]).await;

    // Whoever consumes a queue that is deleted loses its connection. This one is taken by the next.
    assert!(eventually(SOON, async || broker.publish(deleted, &message("4")).await.is_ok()).await);
    assert!(eventually(SOON, async || consumers.waiting() >= 4).await);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let delivery = next(&mut consumer).await;
        bodies.push(delivery.message.body.clone());
        assert!(delivery.ack().await, "a delivery of the connection that is gone was handed out");
    }
    bodies.sort();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
    consumer.cancel().await;
    consumer.close();
    remove(&setup, &specs).await;
}

#[tokio::test]
async fn a_message_reaches_queues_and_exchanges_that_nobody_told_us_of() {
    let setup = Setup::new("reach");
    let (amqp, broker) = (setup.amqp().await, broker(&setup, Topology::default()).await);
    let (plain, python) = (format!("{}.plain", setup.queue), format!("{}.python", setup.queue));
    let channel = amqp.channel().await;
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(plain.as_str().into(), durable, FieldTable::default()).await.unwrap();
    amqp.declare(&python, FieldTable::default()).await;

    broker.publish(&plain, &message("by its name")).await.unwrap();
    broker.publish(&plain, &message("again")).await.unwrap();
    broker.publish(&python, &message("by its exchange")).await.unwrap();
    broker.publish_to("", &python, &message("by the default exchange")).await.unwrap();
    broker.publish_to(&python, &python, &message("by an exchange")).await.unwrap();
    // The ladder is there for all: a worker makes it.
    let ladder = Topology::default().delay_ladder(postrider_core::broker::topology::QueueType::Quorum, []);
    broker.extend(ladder).await.unwrap();
    broker.publish_after(&plain, Duration::from_secs(1), &message("later")).await.unwrap();

    for (queue, bodies) in [
        (&plain, &["by its name", "again", "later"]),
        (&python, &["by its exchange", "by the default exchange", "by an exchange"]),
    ] {
        for body in bodies {
            assert_eq!(amqp.take(queue, SOON).await.body, body.as_bytes(), "{queue}");
        }
    }
    amqp.delete([&plain, &python]).await;
}

#[tokio::test]
async fn headers_that_any_client_may_publish_are_taken_in_and_go_on() {
    let setup = Setup::new("headers");
    let broker = broker(&setup, Topology::default().foreign_queue(&setup.queue)).await;
    let mut consumer = broker.consume(vec![from(&setup.queue, 10)], &Shutdown::new());
    let large = AMQPValue::LongString("a".repeat(110_000).into());

    setup.amqp().await.publish(&setup.queue, &Envelope::default().with_header("x", large)).await;

    let delivery = next(&mut consumer).await;
    broker.publish(&setup.queue, &delivery.message).await.unwrap();
    assert!(delivery.ack().await && next(&mut consumer).await.ack().await);
    consumer.cancel().await;
    consumer.close();
    setup.clean_up().await;
}

#[tokio::test]
async fn a_message_for_nowhere_is_certainly_not_published_and_disturbs_no_other() {
    let setup = Setup::new("nowhere");
    let broker = broker(&setup, Topology::default().foreign_queue(&setup.queue)).await;
    let nowhere = format!("{}.nowhere", setup.queue);

    let other = async {
        for _ in 0..200 {
            broker.publish(&setup.queue, &message("x")).await.unwrap();
        }
    };
    let refused = async {
        for _ in 0..5 {
            for ended in [
                broker.publish_to(&nowhere, "key", &message("x")).await,
                broker.publish_to("", &nowhere, &message("x")).await,
                broker.publish(&nowhere, &message("x")).await,
                broker.publish_after(&nowhere, Duration::from_secs(1), &message("x")).await,
            ] {
                let returned = |error: &PublishError| {
                    matches!(error, PublishError::NotPublished(NotPublished::Returned(_)))
                };
                assert!(ended.as_ref().is_err_and(returned), "{ended:?}");
            }
        }
    };
    tokio::join!(other, refused);

    assert_eq!(broker.purge(&setup.queue).await, Ok(200));
    // Who wants it made says so.
    assert!(broker.create(&nowhere).await && !broker.create(&setup.queue).await);
    broker.publish(&nowhere, &message("x")).await.unwrap();
    let amqp = setup.amqp().await;
    amqp.take(&nowhere, SOON).await;
    amqp.delete([&nowhere]).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_queue_has_the_priorities_and_bindings_of_its_description() {
    use postrider_core::broker::topology::{Bound, ExchangeKind};
    let setup = Setup::new("described");
    let amqp = setup.amqp().await;
    let exchange = format!("{}.shop", setup.queue);
    let typed = format!("{}.typed", setup.queue);
    let arguments = [("kind".to_owned(), Value::Str("news".into()))];
    let bindings = vec![
        Bound::new(&exchange, ExchangeKind::Topic, "news.#"),
        Bound { arguments: arguments.into(), ..Bound::new(&typed, ExchangeKind::Headers, "") },
    ];
    let spec = QueueSpec { max_priority: Some(9), bindings, ..QueueSpec::foreign(&setup.queue) };
    let broker = broker(&setup, Topology::default().queue(&spec)).await;

    // As Python declares it: any difference would be refused.
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(9));
    amqp.declare(&setup.queue, arguments).await;
    for (body, priority) in [("low", 0), ("high", 9)] {
        let mut message = message(body);
        message.properties.priority = Some(priority);
        broker.publish_to(&exchange, "news.today", &message).await.unwrap();
    }

    assert_eq!(amqp.take(&setup.queue, SOON).await.body, b"high");
    assert_eq!(amqp.take(&setup.queue, SOON).await.body, b"low");
    let mut by_header = message("typed");
    assert!(broker.publish_to(&typed, "", &by_header).await.is_err(), "it is no news");
    by_header.headers.insert("kind".into(), Value::Str("news".into()));
    broker.publish_to(&typed, "", &by_header).await.unwrap();
    assert_eq!(amqp.take(&setup.queue, SOON).await.body, b"typed");
    amqp.delete([setup.queue.clone(), format!("{}.unclaimed", setup.queue), exchange, typed]).await;
}

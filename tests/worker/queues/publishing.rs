//! Where a message goes: to queues and exchanges that exist, with any headers, and never quietly to nowhere.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use postrider_core::broker::message::Value;
use postrider_core::broker::topology::{Bound, ExchangeKind, QueueSpec, QueueType, Topology};
use postrider_core::broker::{NotPublished, PublishError};
use postrider_core::shutdown::Shutdown;
use postrider_tests::{amqp::Envelope, worker::Setup};

use super::{SOON, broker, from, message, next};

#[tokio::test]
async fn a_message_reaches_queues_and_exchanges_that_nobody_told_us_of() {
    let setup = Setup::new("reach");
    let (amqp, broker) = (setup.amqp().await, broker(&setup, Topology::default()).await);
    let (plain, python) = (format!("{}.plain", setup.queue), format!("{}.python", setup.queue));
    let channel = amqp.channel().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(plain.as_str().into(), durable, FieldTable::default()).await.unwrap();
    amqp.declare(&python, FieldTable::default()).await;

    broker.publish(&plain, &message("by its name")).await.unwrap();
    broker.publish(&plain, &message("again")).await.unwrap();
    broker.publish(&python, &message("by its exchange")).await.unwrap();
    broker.publish_to("", &python, &message("by the default exchange")).await.unwrap();
    broker.publish_to(&python, &python, &message("by an exchange")).await.unwrap();
    // The ladder is there for all: a worker makes it.
    let ladder = Topology::default().delay_ladder(QueueType::Quorum, []);
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

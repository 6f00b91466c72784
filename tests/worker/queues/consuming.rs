//! What a worker takes messages from may change while it works, and what waits in it too long goes back.

use std::time::Duration;

use postrider_core::broker::Consumer;
use postrider_core::broker::topology::{QueueSpec, Topology};
use postrider_core::shutdown::Shutdown;
use postrider_tests::{servers::eventually, worker::Setup};

use super::{SOON, broker, from, message, next};

/// Long enough that a message would have come, were it to come.
const QUIET: Duration = Duration::from_millis(300);

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

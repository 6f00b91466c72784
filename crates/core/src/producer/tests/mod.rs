//! What is written for a call, and where it goes.

mod captured;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::broker::message::Value as Header;
use crate::canvas::{chain, group};
use crate::celery::Expires;

/// The tutorial's task, whose arguments may be seen here as they may in the captures.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SendSms(String, String);

impl Task for SendSms {
    const NAME: &'static str = "ccp_send_sms_code";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Secret {
    code: String,
}

impl Task for Secret {
    const NAME: &'static str = "secret";
    const QUEUE: &'static str = "vault";
    const PRIORITY: Option<u8> = Some(3);
    const IGNORE_RESULT: bool = true;
    const SENSITIVE: bool = true;
}

fn sms() -> Signature<SendSms> {
    Signature::new(SendSms("13800138000".into(), "123456".into()))
}

/// What a producer would publish for the call, made at that instant.
fn plan(call: impl Enqueueable, now: &str) -> Plan {
    let (routes, tasks) = (Routes::default(), KnownTasks::default());
    let dispatcher = Dispatcher {
        origin: "gen1@host",
        now: now.parse().unwrap(),
        parent: None,
        reply_to: Some("01c6be51-662d-3801-8612-c18bd2068fab"),
        routes: &routes,
        tasks: &tasks,
        ids: &|| Uuid::new_v4().to_string(),
    };
    call.plan(&dispatcher).unwrap()
}

#[test]
fn a_secret_task_shows_stars_and_its_own_defaults_wherever_it_stands() {
    let secret = || Secret { code: "123456".into() };
    let now = "2026-11-21T20:00:00Z";
    let direct = plan(secret(), now).outgoing.remove(0);
    let in_a_group = plan(group([secret()]), now).outgoing.remove(0);
    for outgoing in [&direct, &in_a_group] {
        let message = &outgoing.message;
        assert_eq!(message.header("argsrepr"), Some("('***',)"));
        assert_eq!(message.header("kwargsrepr"), Some("{'***': '***'}"));
        assert_eq!(message.headers["ignore_result"], Header::Bool(true));
        assert_eq!(message.properties.priority, Some(3));
        assert_eq!(outgoing.address, Address::Queue("vault".into()));
    }
    let step = Signature::new(secret()).into_call().unwrap();
    assert_eq!(step.options["argsrepr"], "('***',)");
}

#[test]
fn a_call_goes_where_it_says_before_where_its_route_or_its_task_says() {
    let feed = crate::routes::Route {
        task: "feed.*".into(),
        exchange: Some("feeds".into()),
        routing_key: Some("new".into()),
        priority: Some(3),
        ..crate::routes::Route::default()
    };
    let routes = Routes::new([crate::routes::Route::to_queue("shop.*", "shop"), feed]);
    let tasks = KnownTasks::from([("secret", CallDefaults::of::<Secret>())]);
    let outgoing = |call: Call| {
        let dispatcher = Dispatcher {
            origin: "gen1@host",
            now: jiff::Timestamp::UNIX_EPOCH,
            parent: None,
            reply_to: None,
            routes: &routes,
            tasks: &tasks,
            ids: &String::new,
        };
        call.plan(&dispatcher).unwrap().outgoing.remove(0)
    };
    let to = |call: Call| outgoing(call).address;
    let priority = |call: Call| outgoing(call).message.properties.priority;
    let news = Address::Exchange { exchange: "feeds".into(), key: "new".into() };
    assert_eq!(to(Call::new("feed.read")), news);
    assert_eq!(to(Call::new("feed.read").option("queue", "mine")), Address::Queue("mine".into()));
    assert_eq!(priority(Call::new("feed.read")), Some(3));
    assert_eq!(priority(Call::new("feed.read").option("priority", 7)), Some(7));
    let queue = |name: &str| Address::Queue(name.into());
    assert_eq!(to(Call::new("add")), queue("celery"));
    assert_eq!(to(Call::new("shop.ship")), queue("shop"));
    assert_eq!(to(Call::new("shop.ship").option("queue", "mine")), queue("mine"));
    assert_eq!(to(Call::new("secret")), queue("vault"));
    let exchange = Call::new("add").option("exchange", "x").option("routing_key", "k");
    assert_eq!(to(exchange), Address::Exchange { exchange: "x".into(), key: "k".into() });
    assert_eq!(to(Call::new("add").option("routing_key", "k")), queue("celery"));
}

#[test]
fn only_what_is_to_be_dropped_by_the_broker_carries_a_time_to_live() {
    let now = "2026-11-21T20:00:00Z";
    let minute = Duration::from_mins(1);
    let expiration =
        |call: Signature<SendSms>| plan(call, now).outgoing.remove(0).message.properties.expiration;
    assert_eq!(expiration(sms().expires(minute)), None);
    assert_eq!(expiration(sms().dropped_after(minute)), Some("60000".into()));
    let past: Expires = "2026-11-21T19:00:00Z".parse::<jiff::Timestamp>().unwrap().into();
    assert_eq!(expiration(sms().dropped_after(past)), Some("0".into()));
    // As a member of a workflow, too.
    let grouped = |call: Signature<SendSms>| plan(group([call]), now).outgoing.remove(0).message.properties;
    assert_eq!(grouped(sms().expires(minute)).expiration, None);
    assert_eq!(grouped(sms().dropped_after(minute)).expiration, Some("60000".into()));
    // It would end in a delay queue.
    assert_eq!(expiration(sms().dropped_after(minute).countdown(minute)), None);
}

#[tokio::test]
async fn what_has_no_json_form_is_an_error_when_it_is_enqueued() {
    #[derive(Serialize, Deserialize)]
    struct Odd(std::collections::BTreeMap<(u8, u8), u8>);
    impl Task for Odd {
        const NAME: &'static str = "odd";
    }
    let odd = || Odd([((1, 2), 3)].into());
    let broker = crate::broker::MemoryBroker::new(&crate::shutdown::Shutdown::new());
    let producer = Producer::new(Broker::Memory(broker), Clock::System, "test");

    for ended in [
        producer.enqueue(odd()).await,
        producer.enqueue(chain((odd(), Call::new("add")))).await,
        producer.enqueue(sms().link(odd())).await,
    ] {
        assert!(matches!(ended, Err(EnqueueError::Payload(_))));
    }
    assert!(matches!(producer.enqueue(chain(Vec::<Call>::new())).await, Err(EnqueueError::Empty)));
}

#[tokio::test]
async fn a_second_try_leaves_out_what_was_confirmed() {
    let memory = crate::broker::MemoryBroker::new(&crate::shutdown::Shutdown::new());
    memory.declare("there", None);
    let producer = Producer::new(Broker::Memory(memory.clone()), Clock::System, "test");
    let call = |queue: &str| Call::new("add").option("queue", queue);
    let plan = plan(group([call("there"), call("late")]), "2026-11-21T20:00:00Z");
    let progress = Progress::default();

    let first = producer.go_on(&plan, &progress).await;
    memory.declare("late", None);
    producer.go_on(&plan, &progress).await.unwrap();

    assert!(matches!(first, Err(EnqueueError::Publish(error)) if error.is_refusal()));
    for queue in ["there", "late"] {
        assert!(memory.take(queue).is_some() && memory.take(queue).is_none(), "{queue}");
    }
}

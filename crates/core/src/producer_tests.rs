//! What is written for a call is what Celery wrote for the same call, but for the ids, the origin and the language.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::broker::message::{Message, Value as Header};
use crate::canvas::{chain, chord, group};
use crate::celery::{Expires, fixtures};

/// The tutorial's task, whose arguments may be seen here as they may in the captures.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SendSms(String, String);

impl Task for SendSms {
    const NAME: &'static str = "ccp_send_sms_code";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SendSmsByName {
    mobile: String,
    code: String,
}

impl Task for SendSmsByName {
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

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Add(i64, i64);

impl Task for Add {
    const NAME: &'static str = "add";
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

/// Both messages without what is bound to differ.
fn same(case: &str, ours: &Message, celerys: &Message) {
    let plain = |message: &Message| {
        let mut message = message.clone();
        let id = message.header("id").unwrap().to_owned();
        for name in ["lang", "origin", VERSION_HEADER] {
            message.headers.remove(name);
        }
        for (name, value) in &mut message.headers {
            if *value == Header::Str(id.clone()) {
                *value = format!("its own id in {name}").into();
            }
        }
        assert_eq!(message.properties.correlation_id.take(), Some(id), "{case}");
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        (message.properties, message.headers, body)
    };
    let ((our_properties, our_headers, our_body), (properties, headers, body)) =
        (plain(ours), plain(celerys));
    assert_eq!(our_properties, properties, "{case}");
    assert_eq!(our_headers, headers, "{case}");
    assert_eq!(our_body, body, "{case}");
}

fn captured(name: &str) -> Message {
    fixtures::messages(name).remove(0)
}

/// The instant at which a call with that countdown or life was made.
fn made(message: &Message, header: &str, before: Duration) -> String {
    let at: jiff::Timestamp = message.header(header).unwrap().parse().unwrap();
    at.checked_sub(before).unwrap().to_string()
}

#[test]
fn each_option_changes_on_the_wire_what_it_changes_in_celery() {
    let noop = |text: &str| Call::new("noop").arg(text);
    let now = "2026-11-21T20:00:00Z";
    let countdown = captured("task-countdown");
    let expires = captured("task-expires-int");
    let eta = "2030-01-02T03:04:05.678+08:00".parse::<jiff::Timestamp>().unwrap();
    let calls = [
        ("task-delay", plan(sms(), now)),
        ("task-kwargs", plan(SendSmsByName { mobile: "13800138000".into(), code: "123456".into() }, now)),
        (
            "task-countdown",
            plan(sms().countdown(Duration::from_mins(1)), &made(&countdown, "eta", Duration::from_mins(1))),
        ),
        (
            "task-expires-int",
            plan(
                sms().dropped_after(Duration::from_mins(2)),
                &made(&expires, "expires", Duration::from_mins(2)),
            ),
        ),
        ("task-priority", plan(sms().priority(7), now)),
        (
            "task-time-limits",
            plan(sms().time_limit(Duration::from_secs(30)).soft_time_limit(Duration::from_secs(20)), now),
        ),
        ("task-ignore-result", plan(sms().ignore_result(true), now)),
        ("task-link", plan(sms().link(noop("ok")).link_error(noop("err")), now)),
        (
            "task-link-immutable-list",
            plan(
                sms().link(noop("a").immutable()).link(
                    Signature::new(Add(1, 2)).queue("sms").countdown(Duration::from_secs(5)).immutable(),
                ),
                now,
            ),
        ),
        ("task-sendtask", plan(Call::new("ccp_send_sms_code").arg("13800138000").arg("123456"), now)),
    ];
    for (name, plan) in &calls {
        let [outgoing] = &plan.outgoing[..] else { panic!("{name} is one message") };
        same(name, &outgoing.message, &captured(name));
    }
    let wait = |plan: &Plan| plan.outgoing[0].delay;
    assert_eq!((wait(&calls[2].1), wait(&calls[0].1)), (Duration::from_mins(1), Duration::ZERO));

    let written = plan(sms().eta(eta), now).outgoing.remove(0).message;
    assert_eq!(written.header("eta"), Some("2030-01-01T19:04:05.678000+00:00"));
}

#[test]
fn what_the_caller_sets_himself_is_written_as_celery_writes_it() {
    for name in ["task-custom-headers", "task-shadow-taskid", "task-argsrepr"] {
        let celerys = captured(name);
        let mut call = sms();
        for (header, value) in crate::celery::Request::of(&celerys).own_headers() {
            let value = match value {
                Header::Str(text) => json!(text),
                Header::I32(number) => json!(number),
                Header::Bool(value) => json!(value),
                other => panic!("a capture has {other:?}"),
            };
            call = call.header(header, value);
        }
        if let Some(shadow) = celerys.header("shadow") {
            call = call.shadow(shadow).id(celerys.header("id").unwrap());
        }
        call = call.shown_as(celerys.header("argsrepr").unwrap(), celerys.header("kwargsrepr").unwrap());

        let ours = plan(call, "2026-11-21T20:00:00Z").outgoing.remove(0);

        same(name, &ours.message, &celerys);
    }
}

#[test]
fn chains_groups_and_chords_are_written_as_celery_writes_them() {
    let now = "2026-11-21T20:00:00Z";
    let (add, tsum) = (|n: i64| Call::new("add").arg(n), || Call::new("tsum"));
    let cases = [
        ("chain", plan(chain((Add(1, 2), add(3), add(4))), now)),
        ("group", plan(group((Add(1, 2), Add(3, 4))), now)),
        ("chord", plan(chord((Add(1, 2), Add(3, 4)), tsum()), now)),
        ("chain-with-group", plan(chain((Add(1, 2), group([add(3), add(4)]), tsum())), now)),
    ];
    for (name, plan) in cases {
        let celerys: Vec<Value> = fixtures::messages(name).iter().map(numbered).collect();
        let ours: Vec<Value> = plan.outgoing.iter().map(|outgoing| numbered(&outgoing.message)).collect();
        assert_eq!(ours, celerys, "{name}");
    }
}

/// Headers and body, each id replaced by the number of its first place.
fn numbered(message: &Message) -> Value {
    let mut known = Vec::new();
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let mut headers = message.headers.clone();
    for name in ["lang", "origin", "argsrepr", "ignore_result", VERSION_HEADER] {
        headers.remove(name);
    }
    let mut text = format!("{headers:?} {body}");
    let mut at = 0;
    while let Some(id) = text.get(at..at + 36) {
        if id.parse::<Uuid>().is_ok() {
            let id = id.to_owned();
            let number = known.iter().position(|known| *known == id).unwrap_or_else(|| {
                known.push(id.clone());
                known.len() - 1
            });
            text.replace_range(at..at + 36, &format!("#{number}"));
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    text.into()
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

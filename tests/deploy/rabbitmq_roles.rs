//! `deploy/rabbitmq` on a RabbitMQ of its own: each role does its part of the main job with its rights, and no more.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use postrider_tests::{
    amqp::{Amqp, Envelope},
    celery::send_sms,
    provider::{Answer, Provider, Request},
    servers::eventually,
    worker::{Output, Setup, ended},
};
use uuid::Uuid;

use crate::{
    SOON,
    shipped::{self, Broker},
};

const NUMBER: &str = "+8613800138000";

/// A call that has had all of its retries but this one.
fn last_try(id: &str) -> Envelope {
    send_sms(id, "13912345678", "867530").with_header("retries", lapin::types::AMQPValue::LongInt(3))
}

/// Refuses everybody's first attempt, and one number's always.
fn first_attempt_fails(request: &Request) -> Answer {
    if request.attempt == 1 { Answer::status(429) } else { Answer::taken() }
}

async fn as_user(setup: &Setup, url: &str, args: &[&str]) -> Output {
    ended(setup.spawn(args, [("POSTRIDER__AMQP__URL", url)])).await
}

#[tokio::test]
async fn each_role_does_its_part_of_the_main_job_and_is_refused_everything_else() {
    let broker = Broker::start(&[]).await;
    let provider = Provider::answering(first_attempt_fails).await;
    let setup = Setup::new("roles").provider(&provider).set("amqp.declare", "false");
    let queue = setup.queue.clone();
    broker.set_up(&["--queue", &queue]);
    // A second time changes nothing, the passwords least of all.
    let (before, said) = (broker.password("postrider-api"), broker.set_up(&["--queue", &queue]));
    assert_eq!(broker.password("postrider-api"), before);
    assert!(!said.contains(&before) && !said.contains("guest"), "{said}");
    let setup = setup.broker(&broker.url("postrider-worker"));

    // The topology: not by the worker, whose start says who can.
    let missing = setup.command(&["topology", "check"]).await;
    assert!(missing.text.contains("run `postrider-worker topology apply`"), "{}", missing.text);
    let applied = setup.spawn(
        ["topology", "apply"],
        [("POSTRIDER__AMQP__URL", &*broker.url("postrider-topology")), ("POSTRIDER__AMQP__DECLARE", "true")],
    );
    let Output { status, text } = ended(applied).await;
    assert!(status.success(), "{text}");

    // A code is asked for, its first attempt fails, the ladder brings it back, and it checks out.
    let worker = setup.start().await;
    let redis = postrider_tests::servers::shared_redis_url();
    let api = shipped::api(&setup, &broker.url("postrider-api"), &redis).start().await;
    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let sent = provider.wait_for(2, SOON).await.remove(1);
    assert_eq!((sent.to.as_str(), sent.attempt), (NUMBER, 2));
    assert_eq!(api.check(created.id(), &sent.code).await.status, 200);

    // Remote control: the operator's, and every worker's.
    let operator = broker.url("postrider-operator");
    let status = as_user(&setup, &operator, &["status"]).await;
    assert!(status.text.contains("->  w1@") && status.text.ends_with("1 node online."), "{}", status.text);
    let active = as_user(&setup, &broker.url("postrider-worker"), &["inspect", "active"]).await;
    assert!(active.status.success(), "{}", active.text);
    let api_asks = as_user(&setup, &broker.url("postrider-api"), &["status"]).await;
    assert!(!api_asks.status.success(), "{}", api_asks.text);

    // What cannot be done becomes a dead letter, which the operator sees and replays, and the worker does.
    let id = Uuid::new_v4().to_string();
    Amqp::connect(&broker.url("postrider-admin")).await.publish(&queue, &last_try(&id)).await;
    let mut listed = String::new();
    let dead = eventually(SOON, async || {
        listed = as_user(&setup, &operator, &["dead", "list"]).await.text;
        listed.contains(&id)
    })
    .await;
    assert!(dead, "{listed}");
    let replayed = as_user(&setup, &operator, &["dead", "replay", &id]).await;
    assert!(replayed.text.contains("1 replayed, 0 left"), "{}", replayed.text);
    let requests = provider.wait_for(4, SOON).await;
    assert_eq!((&requests[3].id, requests[3].attempt), (&id, 2));

    let purging = as_user(&setup, &operator, &["--purge"]).await;
    assert!(!purging.status.success(), "{}", purging.text);
    assert!(purging.text.contains(&format!("cannot purge {queue}")), "{}", purging.text);

    refusals(&broker, &queue).await;
    let mut worker = worker;
    worker.sigterm();
    let Output { text, .. } = ended(worker).await;
    let log = [text, api.finish().await].concat();
    assert!(!log.contains("ACCESS_REFUSED") && !log.contains("ACCESS-REFUSED"), "{log}");
    assert!(!log.contains("remote control and events are off"), "{log}");
    without_remote_control(&broker, &setup, &provider).await;
}

/// A worker whose rights are those of before there was remote control works, and says once what it lacks.
async fn without_remote_control(broker: &Broker, setup: &Setup, provider: &Provider) {
    let most = "^(?!celery|reply|.+celery).*$";
    let args = ["-q", "set_permissions", "-p", "postrider", "postrider-worker", "^$", most, most];
    let changed = std::process::Command::new("rabbitmqctl").args(args).envs(broker.server.control()).status();
    assert!(changed.expect("RabbitMQ is installed").success());
    let done = provider.requests().len();

    let mut worker = setup.start().await;
    worker.wait_for_line(|line| line.contains("remote control and events are off"), SOON).await;
    let admin = Amqp::connect(&broker.url("postrider-admin")).await;
    admin.publish(&setup.queue, &send_sms(&Uuid::new_v4().to_string(), "13800138000", "123456")).await;
    // The provider refuses each first attempt.
    provider.wait_for(done + 2, SOON).await;

    worker.sigterm();
    let Output { status, text } = ended(worker).await;
    assert!(status.success(), "{text}");
    assert_eq!(text.matches("remote control and events are off").count(), 1, "{text}");
    assert_eq!(text.matches("ACCESS_REFUSED").count(), 1, "{text}");
}

/// Everything that a role is not for, and that a slip in a regular expression would let it do.
async fn refusals(broker: &Broker, queue: &str) {
    let ladder = "postrider.delay.0";
    for (user, cannot_publish, cannot_read) in [
        (
            "postrider-api",
            vec!["", "sms.dead", ladder, "postrider.delay.due", "amq.direct", "celery.pidbox", "celeryev"],
            vec![queue, "sms.dead", "postrider.probe"],
        ),
        (
            "postrider-worker",
            vec!["", "postrider.delay.due", "amq.direct"],
            vec!["sms.dead", ladder, "postrider.probe"],
        ),
        (
            "postrider-operator",
            vec!["", "sms.dead", ladder, "amq.direct", "celeryev"],
            vec![queue, "postrider.probe", ladder],
        ),
        ("postrider-topology", vec!["", "amq.direct", "celery.pidbox", "celeryev"], vec!["another"]),
    ] {
        let rights = Rights::of(&broker.url(user)).await;
        for exchange in cannot_publish {
            assert!(rights.refuses_to_publish(exchange).await, "{user} may publish to {exchange:?}");
        }
        for queue in cannot_read {
            assert!(rights.refuses_to_read(queue).await, "{user} may read {queue:?}");
        }
        assert!(rights.refuses_to_create("another").await, "{user} may create what is not Postrider's");
        if user != "postrider-topology" {
            assert!(rights.refuses_to_create(queue).await, "{user} may configure");
            assert!(
                rights.refuses_to_purge(if user == "postrider-operator" { queue } else { "sms.dead" }).await
            );
            assert!(rights.refuses_to_delete(queue).await, "{user} may delete");
        }
        let elsewhere = broker.server.url_as(user, &broker.password(user), "%2f");
        assert!(refused(&connect(&elsewhere).await), "{user} may use another vhost");
    }
    assert!(refused(&connect(&broker.server.url()).await), "guest is still there");
    let wrong = broker.server.url_as("postrider-api", "wrong", "postrider");
    assert!(refused(&connect(&wrong).await), "any password will do");
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

/// A user's connection. What is refused closes its channel, so each try has one of its own.
struct Rights(Connection);

impl Rights {
    async fn of(url: &str) -> Self {
        Self(connect(url).await.expect("the user may connect"))
    }

    async fn channel(&self) -> Channel {
        self.0.create_channel().await.expect("the broker gives a channel")
    }

    async fn refuses_to_publish(&self, exchange: &str) -> bool {
        let channel = self.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the channel is open");
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let published = channel.basic_publish(exchange.into(), "x".into(), options, b"", properties).await;
        match published {
            Ok(confirm) => refused(&confirm.await),
            Err(error) => refused::<()>(&Err(error)),
        }
    }

    async fn refuses_to_read(&self, queue: &str) -> bool {
        refused(&self.channel().await.basic_get(queue.into(), BasicGetOptions::default()).await)
    }

    async fn refuses_to_create(&self, name: &str) -> bool {
        let (queue, exchange) = (
            QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() },
            ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() },
        );
        let none = FieldTable::default;
        let created = self.channel().await.queue_declare(name.into(), queue, none()).await;
        let exchange =
            self.channel().await.exchange_declare(name.into(), ExchangeKind::Direct, exchange, none()).await;
        let bind = QueueBindOptions::default();
        let bound = self
            .channel()
            .await
            .queue_bind(name.into(), "amq.direct".into(), name.into(), bind, none())
            .await;
        refused(&created) && refused(&exchange) && refused(&bound)
    }

    async fn refuses_to_purge(&self, queue: &str) -> bool {
        refused(&self.channel().await.queue_purge(queue.into(), QueuePurgeOptions::default()).await)
    }

    async fn refuses_to_delete(&self, queue: &str) -> bool {
        refused(&self.channel().await.queue_delete(queue.into(), QueueDeleteOptions::default()).await)
    }
}

/// 403, on a channel or at the login; 530 says the same of a vhost.
fn refused<T>(answer: &lapin::Result<T>) -> bool {
    let Err(error) = answer else { return false };
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => matches!(
            protocol.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
                | AMQPErrorKind::Hard(lapin::protocol::AMQPHardError::NOTALLOWED)
        ),
        _ => false,
    }
}

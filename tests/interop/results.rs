//! Results: ours read by stock callers, those of stock workers read by us, on Redis and through the broker.

use std::path::Path;
use std::time::Duration;

use postrider_core::{
    broker::{message::Properties, topology::Topology},
    celery::Exception,
    clock::Clock,
    redis::RedisConfig,
    results::{ChordPart, Joined, Meta, ResultBackend, ResultOptions, ResultTree, Results, State, WaitError},
    shutdown::Shutdown,
};
use postrider_tests::{
    amqp::Envelope,
    broker::connected,
    celery::call,
    servers::{Proc, python, shared_redis_url},
    worker::{Output, Setup, ended},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{SOON, python::PATIENCE};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Postrider's side of a test.
struct Ours {
    setup: Setup,
    backend: String,
    results: Results,
    shutdown: Shutdown,
}

impl Ours {
    async fn on(test: &str, backend: &str) -> Self {
        let (setup, shutdown) = (Setup::new(test).foreign(), Shutdown::new());
        let topology = Topology::default().foreign_queue(&setup.queue);
        let broker = connected(&setup.amqp_url, topology, &shutdown).await;
        let redis = RedisConfig {
            url: shared_redis_url().into(),
            prefix: String::new(),
            connections: 1,
            timeout: TIMEOUT,
        };
        let options = ResultOptions::default();
        let results = ResultBackend::parse(backend)
            .expect("an address of ours")
            .open(options, &redis, &broker, true, &Clock::System, &shutdown)
            .expect("the address can be read");
        results.listening().await.expect("the broker is there");
        Self { setup, backend: backend.into(), results, shutdown }
    }

    async fn on_redis(test: &str) -> Self {
        Self::on(test, &shared_redis_url()).await
    }

    fn python(&self, args: &[&str]) -> Proc {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        let env = [
            ("PYTHONPATH", folder.to_string_lossy().into_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
            ("SHOP_BROKER", self.setup.amqp_url.clone()),
            ("SHOP_QUEUE", self.setup.queue.clone()),
            ("SHOP_RESULTS", self.backend.clone()),
        ];
        Proc::run(&python(), args, env)
    }

    async fn worker(&self, queue: &str) -> Proc {
        let name = format!("{queue}@%h");
        let args = ["-m", "celery", "-A", "answers", "worker", "-P", "solo", "-l", "info", "-Q", queue, "-n"];
        let mut worker = self.python(&[&args[..], &[&name]].concat());
        worker.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;
        worker
    }

    async fn store(&self, meta: &Meta) {
        self.results.store(meta, &Properties::default()).await.expect("Redis answers");
    }

    /// Publishes a call whose caller waits for an answer where we listen.
    async fn call(&self, task: &str, id: &str, args: Value) {
        let mut message = call(task, id, &args, &json!({}));
        if let Some(queue) = self.results.reply_to() {
            message.properties = message.properties.with_reply_to(queue.into());
        }
        self.setup.amqp().await.publish(&self.setup.queue, &message).await;
    }

    async fn close(self, processes: impl IntoIterator<Item = Proc>) {
        for mut process in processes {
            process.sigterm();
            ended(process).await;
        }
        self.setup.clean_up().await;
        self.shutdown.stop();
    }

    /// Calls two of their tasks: the id of the one whose value is 3, and what the other failed with.
    async fn three_and_a_failure(&self) -> (String, Exception) {
        let (added, failed) = (id(), id());
        self.call("answers.add", &added, json!([1, 2])).await;
        self.call("answers.fail", &failed, json!(["no"])).await;
        assert_eq!(self.results.of(&*added).get::<u32>(SOON).await.expect("it ends"), 3);
        let value = self.results.of(&*failed).get::<u32>(SOON).await;
        let Err(WaitError::Failed(exception)) = value else { panic!("{value:?}") };
        (added, *exception)
    }
}

/// The line of JSON that `answers.told` made.
async fn told(process: Proc) -> Value {
    let Output { status, text } = ended(process).await;
    assert!(status.success(), "{text}");
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{text}"))
}

/// What the message asks to be answered by.
fn asked(message: &Envelope) -> Properties {
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
    Properties {
        reply_to: text(message.properties.reply_to()),
        correlation_id: text(message.properties.correlation_id()),
        ..Properties::default()
    }
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

#[tokio::test]
async fn a_stock_caller_reads_every_end_that_we_store() {
    let ours = Ours::on_redis("results-read").await;
    let (now, child) = (Clock::System.now(), id());
    let own = Exception::new("GatewayDown", "gateway", vec!["no answer".into(), json!(504)]);
    let shops = Exception::new("Refused", "answers", vec!["no".into()]);
    let cases = [
        (
            Meta::success(id(), json!({"sent": true, "text": "短信"}), now)
                .with_children(vec![ResultTree::task(&*child)]),
            json!(["returned", {"sent": true, "text": "短信"}, "SUCCESS", [child]]),
        ),
        (
            Meta::failure(id(), &Exception::builtin("ValueError", "bad code").raised_in("task `a`"), now),
            json!(["raised", "builtins.ValueError", ["bad code"], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &own, now),
            json!(["raised", "celery.exceptions.GatewayDown", ["no answer", 504], "FAILURE"]),
        ),
        (Meta::failure(id(), &shops, now), json!(["raised", "answers.Refused", ["no"], "FAILURE"])),
        (
            Meta::failure(id(), &Exception::time_limit_exceeded(Duration::from_secs(2)), now),
            json!(["raised", "billiard.exceptions.TimeLimitExceeded", [2], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &Exception::soft_time_limit_exceeded(), now),
            json!(["raised", "billiard.exceptions.SoftTimeLimitExceeded", [], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &Exception::max_retries_exceeded("Can't retry a[1]"), now),
            json!(["raised", "celery.exceptions.MaxRetriesExceededError", ["Can't retry a[1]"], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &Exception::worker_lost("signal 9"), now),
            json!(["raised", "billiard.exceptions.WorkerLostError", ["signal 9"], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &Exception::not_registered("no.such.task"), now),
            json!(["raised", "celery.exceptions.NotRegistered", ["no.such.task"], "FAILURE"]),
        ),
        (
            Meta::failure(id(), &Exception::chord_error("Dependency a raised ValueError()"), now),
            json!([
                "raised",
                "celery.exceptions.ChordError",
                ["Dependency a raised ValueError()"],
                "FAILURE"
            ]),
        ),
        (
            Meta::revoked(id(), "expired", now),
            json!(["raised", "celery.exceptions.TaskRevokedError", ["expired"], "REVOKED"]),
        ),
    ];
    for (meta, _) in &cases {
        ours.store(meta).await;
    }

    let ids: Vec<&str> = cases.iter().map(|(meta, _)| meta.id.as_str()).collect();
    let script = "import sys; from answers import app, told\n\
                  print('[' + ','.join(told(app.AsyncResult(id)) for id in sys.argv[1:]) + ']')";
    let seen = told(ours.python(&[&["-c", script], &ids[..]].concat())).await;

    for (index, (_, expected)) in cases.iter().enumerate() {
        assert_eq!(&seen[index], expected);
    }
    ours.close([]).await;
}

#[tokio::test]
async fn a_stock_caller_that_waits_is_told_at_once() {
    let ours = Ours::on_redis("results-wait").await;
    let id = id();
    let script = format!(
        "import threading; from answers import app, told\n\
         result = app.AsyncResult('{id}'); result.then(lambda _: None)\n\
         print('waiting', flush=True); print(told(result))"
    );
    let mut caller = ours.python(&["-c", &script]);
    caller.wait_for_line(|line| line == "waiting", PATIENCE).await;
    ours.store(&Meta::started(&*id, 1, "w1@host")).await;

    ours.store(&Meta::success(&*id, json!([1, null]), Clock::System.now())).await;

    assert_eq!(told(caller).await, json!(["returned", [1, null], "SUCCESS", []]));
    ours.close([]).await;
}

#[tokio::test]
async fn we_read_what_a_stock_worker_stores() {
    let ours = Ours::on_redis("results-theirs").await;
    let worker = ours.worker(&ours.setup.queue).await;

    let (added, exception) = ours.three_and_a_failure().await;

    assert_eq!((exception.module.as_str(), exception.repr()), ("answers", "Refused('no', 7)".to_owned()));
    assert!(exception.traceback.unwrap().contains("raise Refused(reason, 7)"));
    let extended = ours.results.get(&added).await.unwrap().unwrap().extended.unwrap();
    assert_eq!((extended.name.as_str(), &extended.args), ("answers.add", &json!([1, 2])));
    ours.close([worker]).await;
}

#[tokio::test]
async fn a_stock_worker_completes_a_chord_that_a_member_of_ours_is_in() {
    let ours = Ours::on_redis("results-chord").await;
    let queue = ours.setup.queue.clone();
    let theirs = format!("{queue}.theirs");
    let script = format!(
        "from celery import chord; from answers import add, total, told\n\
         header = [add.s(1, 2), add.s(3, 4).set(queue='{theirs}')]\n\
         result = chord(header)(total.s().set(queue='{theirs}'))\n\
         print('called', flush=True); print(told(result))"
    );
    let mut caller = ours.python(&["-c", &script]);
    caller.wait_for_line(|line| line == "called", PATIENCE).await;

    // Our member comes first: its worker would do just this.
    let message = ours.setup.amqp().await.take(&queue, SOON).await;
    let id = message.text("id").unwrap();
    let part = ChordPart {
        group_id: message.text("group").unwrap(),
        group_index: Some(0),
        task_id: id.clone(),
        state: State::Success,
        result: json!(3),
    };
    ours.store(&Meta::success(&*id, json!(3), Clock::System.now())).await;
    assert_eq!(ours.results.chord_part(&part).await.unwrap(), Joined::Waiting);
    let worker = ours.worker(&theirs).await;

    assert_eq!(told(caller).await, json!(["returned", 10, "SUCCESS", []]));
    assert_eq!(ours.results.chord_part(&part).await.unwrap(), Joined::AlreadyDone);
    // A worker that consumes it would declare it again.
    let amqp = ours.setup.amqp().await;
    ours.close([worker]).await;
    amqp.delete([&theirs]).await;
}

#[tokio::test]
async fn a_stock_caller_is_answered_through_the_broker() {
    let ours = Ours::on("results-rpc", "rpc://").await;
    let script = "from answers import add, told\n\
                  for n in range(2):\n    print(told(add.delay(n, 2)), flush=True)";
    let mut caller = ours.python(&["-c", script]);
    let amqp = ours.setup.amqp().await;

    let first = amqp.take(&ours.setup.queue, PATIENCE).await;
    let id = first.text("id").unwrap();
    ours.results.store(&Meta::started(&*id, 1, "w1@host"), &asked(&first)).await.unwrap();
    let done = Meta::success(&*id, json!(2), Clock::System.now());
    ours.results.store(&done, &asked(&first)).await.unwrap();
    let second = amqp.take(&ours.setup.queue, PATIENCE).await;
    let id = second.text("id").unwrap();
    let boom = Exception::builtin("ValueError", "boom");
    let failed = Meta::failure(&*id, &boom, Clock::System.now());
    ours.results.store(&failed, &asked(&second)).await.unwrap();

    let line = caller.wait_for_line(|line| line.contains("raised"), SOON).await;
    let text = ended(caller).await.text;
    assert!(text.contains(r#"["returned", 2, "SUCCESS", []]"#), "{text}");
    assert!(line.contains(r#"["raised", "builtins.ValueError", ["boom"], "FAILURE"]"#), "{line}");
    // The caller has gone, and its queue with it: no error for whoever answers late.
    ours.results.store(&failed, &asked(&second)).await.unwrap();
    ours.close([]).await;
}

#[tokio::test]
async fn we_are_answered_by_a_stock_worker_through_the_broker() {
    let ours = Ours::on("results-rpc-theirs", "rpc://").await;
    let worker = ours.worker(&ours.setup.queue).await;

    let (added, exception) = ours.three_and_a_failure().await;

    assert_eq!(exception.repr(), "Refused('no', 7)");
    ours.results.forget(&added).await.unwrap();
    assert_eq!(ours.results.get(&added).await.unwrap(), None);
    ours.close([worker]).await;
}

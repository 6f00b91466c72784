//! `scripts/migrate-check` on the tutorial's shop and on shops that cannot move as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use postrider_tests::{
    servers::{python, shared_amqp_url},
    worker::Setup,
};
use serde_json::Value;
use tempfile::TempDir;

/// Settings that keep a shop from moving, the topic of the finding, and a word of it that helps.
const STOPPED: &[(&str, &str, &str)] = &[
    ("broker_url = 'redis://:s3cret@127.0.0.1:6379/10'", "broker", "deploy/rabbitmq/setup"),
    (
        "task_serializer = 'pickle'\naccept_content = ['pickle', 'json']",
        "serializer",
        "task_serializer = 'json'",
    ),
    ("accept_content = ['pickle']", "serializer", "accept_content"),
    ("task_compression = 'zlib'", "compression", "unset task_compression"),
    ("task_protocol = 1", "protocol", "task_protocol = 2"),
    ("task_always_eager = True", "eager", "task_always_eager = False"),
    (
        "from kombu import Exchange, Queue\n\
      task_queues = [Queue('celery', Exchange('all', type='fanout'))]",
        "exchange",
        "direct exchange",
    ),
];

/// The tutorial's shop in a folder of its own, to be changed.
struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("the temp folder is writable"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/shop"), this.0.path());
        this
    }

    /// More lines at the end of one of its files.
    fn with(self, file: &str, lines: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{text}\n{lines}\n")).expect("the temp folder is writable");
        self
    }

    /// Runs the script; its exit code and what it found.
    fn check(&self, args: &[&str]) -> (i32, Value) {
        let (code, output) = self.run(&[&["--json"], args].concat());
        let json = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
        (code, json)
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/migrate-check");
        let mut command = Command::new(script);
        command.arg("--python").arg(python()).arg("--workdir").arg(self.0.path());
        if !args.contains(&"-A") {
            command.args(["-A", "celery_tasks.main"]);
        }
        let output = command.args(args).output().expect("bash is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        for secret in ["s3cr", "r3disp", "s3cret"] {
            assert!(!text.contains(secret) && !said.contains(secret), "a password is shown:\n{text}\n{said}");
        }
        (
            output.status.code().expect("it ends by itself"),
            if text.is_empty() { said.into_owned() } else { text },
        )
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the temp folder is writable");
    for entry in fs::read_dir(from).expect("the shop is there") {
        let path: PathBuf = entry.expect("it can be read").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("the temp folder is writable");
        }
    }
}

fn found<'a>(answer: &'a Value, level: &str, topic: &str) -> Vec<&'a Value> {
    let findings = answer["findings"].as_array().expect("a list").iter();
    findings.filter(|finding| finding["level"] == level && finding["topic"] == topic).collect()
}

fn assert_says(answer: &Value, level: &str, topic: &str, word: &str) {
    let said = found(answer, level, topic);
    assert!(
        said.iter().any(|finding| finding.to_string().contains(word)),
        "{level} {topic} {word}: {answer:#}"
    );
}

#[test]
fn the_tutorials_shop_can_move_and_is_told_what_will_be_different() {
    let (code, answer) = Shop::new().check(&[]);

    assert_eq!((code, &answer["stops"]), (0, &Value::from(0)), "{answer:#}");
    assert_says(&answer, "OK", "route", "celery: ccp_send_sms_code");
    assert_says(&answer, "OK", "serializer", "JSON");
    assert_says(&answer, "OK", "redis", "database 2 of redis://******@127.0.0.1:6379/2");
    assert_says(&answer, "OK", "template", "template_id = \\\"1\\\"");
    assert_says(&answer, "NOTE", "retries", "after 180 s");
    assert_says(&answer, "NOTE", "retries", "3, 6 and 12 s");
    assert_says(&answer, "NOTE", "expires", "expires=300");
}

#[test]
fn what_keeps_a_shop_from_moving_is_named_with_what_to_do() {
    for (lines, topic, word) in STOPPED {
        let (code, answer) = Shop::new().with("celery_tasks/config.py", lines).check(&[]);

        assert_eq!(code, 1, "{lines}: {answer:#}");
        assert_says(&answer, "STOP", topic, word);
    }
}

#[test]
fn a_queue_that_other_tasks_share_stops_the_move_until_the_sms_task_has_its_own() {
    let email = "@celery_app.task(name='send_verify_email')\ndef send_verify_email(to, url):\n    pass";
    let shop = Shop::new().with("celery_tasks/sms/tasks.py", email);
    let (code, shared) = shop.check(&[]);
    assert_eq!(code, 1, "{shared:#}");
    assert_says(&shared, "STOP", "queue", "send_verify_email");
    assert_says(&shared, "STOP", "queue", "celery.unclaimed");

    // The route of crates/worker/README.md, as it stands there.
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/worker/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let route = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shop = shop.with("celery_tasks/main.py", &route.replace("app.conf", "celery_app.conf"));
    let (code, own) = shop.check(&[]);

    assert_eq!(code, 0, "{own:#}");
    assert_says(&own, "OK", "queue", "ccp_send_sms_code has the queue sms to itself");
    assert_says(&own, "OK", "queue", "exactly as postrider-worker does");
}

#[test]
fn a_task_of_another_name_or_with_other_arguments_is_found() {
    let named = "@celery_app.task\ndef other(mobile, sms_code):\n    pass";
    let (code, answer) = Shop::new().with("celery_tasks/sms/tasks.py", named).check(&["--task", "nothing"]);
    assert_eq!(code, 1);
    assert_says(&answer, "STOP", "task", "nothing");

    let third = "@celery_app.task(name='third')\ndef third(mobile, code, template):\n    pass";
    let (code, answer) = Shop::new().with("celery_tasks/sms/tasks.py", third).check(&["--task", "third"]);
    assert_eq!(code, 1);
    assert_says(&answer, "STOP", "arguments", "(mobile, code, template)");
}

#[test]
fn a_worker_with_another_template_is_found() {
    let shop = Shop::new().with("worker.toml", "[providers.yuntongxun]\ntemplate_id = \"7\"");

    let (code, answer) = shop.check(&["--worker-config", "worker.toml"]);

    assert_eq!(code, 1);
    assert_says(&answer, "STOP", "template", "template 7");
}

#[test]
fn a_module_of_the_shop_is_not_mistaken_for_one_of_the_scripts_own() {
    let app = "from celery import Celery\n\
               broker = Celery('broker', broker='amqp://')\n\
               @broker.task(name='ccp_send_sms_code')\n\
               def ccp_send_sms_code(mobile, sms_code):\n    pass";

    let (code, answer) = Shop::new().with("broker.py", app).check(&["-A", "broker"]);

    assert_eq!(code, 0, "{answer:#}");
    assert_says(&answer, "OK", "task", "ccp_send_sms_code is registered");
}

#[test]
fn an_app_that_cannot_be_read_is_exit_code_two_and_says_why() {
    let (code, said) = Shop::new().run(&["-A", "celery_tasks.nothing"]);
    assert_eq!(code, 2);
    assert!(said.contains("cannot import celery_tasks.nothing"), "{said}");

    let broken =
        Shop::new().with("celery_tasks/config.py", "raise RuntimeError('amqp://me:s3cret@host is down')");
    let (code, said) = broken.run(&[]);
    assert_eq!(code, 2);
    assert!(said.contains("amqp://******@host is down"), "{said}");
}

#[tokio::test]
async fn with_connect_the_queue_is_looked_at_and_left_as_it_is() {
    let setup = Setup::new("look");
    let amqp = setup.amqp().await;
    let message = postrider_tests::celery::send_sms("id", "13800138000", "123456");
    amqp.declare(&setup.queue, lapin::types::FieldTable::default()).await;
    amqp.publish(&setup.queue, &message).await;
    let lines = format!("broker_url = '{}'\ntask_default_queue = '{}'", shared_amqp_url(), setup.queue);
    let shop = Shop::new().with("celery_tasks/config.py", &lines);

    let (code, answer) = shop.check(&["--connect"]);

    assert_eq!(code, 0, "{answer:#}");
    assert_says(&answer, "OK", "connect", "1 messages wait, 0 consumers");
    assert_eq!(amqp.ready(&setup.queue).await, Some(1));
    let missing = Shop::new().with(
        "celery_tasks/config.py",
        &format!("broker_url = '{}'\ntask_default_queue = '{}.none'", shared_amqp_url(), setup.queue),
    );
    assert_says(&missing.check(&["--connect"]).1, "NOTE", "connect", "cannot be looked at");
    assert_eq!(amqp.ready(&format!("{}.none", setup.queue)).await, None, "the look has made the queue");
    amqp.delete([&setup.queue]).await;
}

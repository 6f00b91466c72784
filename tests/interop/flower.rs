//! Flower shows our worker and Python's with their tasks, and its buttons work on both.

use std::time::Duration;

use postrider_tests::{
    browser::Browser,
    servers::{Proc, eventually, free_port},
    worker::ended,
};
use serde_json::{Value, json};

use crate::{fleet::Fleet, python::PATIENCE};

/// The node name of the worker of Python's.
const THEIRS: &str = "theirs@h";

/// Lets one task end well and one fail on our worker, and one end well on Python's, once all of them say what they do.
/// Flower asks ours for it some seconds after its start.
const TASKS: &str = "\
from fleet import *
until(lambda: ours(app.control.inspect().conf())['worker_send_task_events'])
app.control.enable_events(destination=['theirs@h'], reply=True)
add.delay(1, 2).get(timeout=20)
add.apply_async((3, 4), queue=app.conf.task_default_queue + '.theirs').get(timeout=20)
try:
    boom.delay('1').get(timeout=20)
except ValueError:
    pass
";

/// Flower, once it answers.
struct Flower {
    process: Proc,
    address: String,
    http: reqwest::Client,
}

impl Flower {
    async fn start(fleet: &Fleet) -> Self {
        let port = free_port();
        let flags =
            ["-m", "celery", "-A", "fleet", "flower", "--address=127.0.0.1", "--inspect_timeout=3000"];
        let process = fleet.python(&[&flags[..], &[&format!("--port={port}")]].concat());
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("the settings are good");
        let flower = Self { process, address: format!("http://127.0.0.1:{port}"), http };
        let up = eventually(PATIENCE, async || flower.http.get(&flower.address).send().await.is_ok()).await;
        assert!(up, "{}", flower.process.log());
        flower
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.address)).send().await.expect("Flower answers");
        let status = answer.status();
        let text = answer.text().await.expect("Flower answers");
        assert!(status.is_success(), "{path}: {status} {text}\n{}", self.process.log());
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    async fn press(&self, path: &str) -> Value {
        let answer = self.http.post(format!("{}{path}", self.address)).send().await.expect("Flower answers");
        let status = answer.status();
        let text = answer.text().await.expect("Flower answers");
        assert!(status.is_success(), "{path}: {status} {text}\n{}", self.process.log());
        serde_json::from_str(&text).expect("an answer in JSON")
    }

    /// Waits until what `path` says fits.
    async fn shows(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut shown = Value::Null;
        let found = eventually(PATIENCE, async || {
            shown = self.get(path).await;
            fits(&shown)
        });
        assert!(found.await, "{path}: {shown}\n{}", self.process.log());
        shown
    }

    /// Waits until it shows the tasks of [`TASKS`]: node and state of each, sorted.
    async fn shows_tasks(&self, node: &str) -> Value {
        let expected = [(node, "FAILURE"), (node, "SUCCESS"), (THEIRS, "SUCCESS")];
        let fits = |tasks: &Value| {
            let tasks = tasks.as_object().into_iter().flat_map(|tasks| tasks.values());
            let shown = |task: &'_ Value| {
                let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
                (text("worker"), text("state"))
            };
            let mut shown: Vec<(String, String)> = tasks.map(shown).collect();
            shown.sort_unstable();
            shown.iter().map(|(worker, state)| (worker.as_str(), state.as_str())).eq(expected)
        };
        self.shows("/api/tasks", fits).await
    }

    async fn stop(mut self) {
        self.process.sigterm();
        ended(self.process).await;
    }
}

#[tokio::test]
async fn flower_lists_a_mixed_fleet_with_its_tasks_and_its_buttons_work() {
    let fleet = Fleet::start("flower").await;
    let mut theirs = fleet.python_worker(THEIRS, &["-P", "prefork", "--autoscale=3,2"]).await;
    let flower = Flower::start(&fleet).await;
    let node = fleet.node.clone();

    let alive = |workers: &Value| workers[&node] == true && workers[THEIRS] == true;
    flower.shows("/api/workers?status=1", alive).await;
    // Each kind of answer is kept as it comes, and the queue is consumed a second after the start.
    let complete = |workers: &Value| {
        [&node, THEIRS].into_iter().all(|name| {
            let worker = &workers[name];
            worker["stats"].is_object()
                && !worker["registered"].is_null()
                && worker["active_queues"][0].is_object()
        })
    };
    let workers = flower.shows("/api/workers?refresh=1", complete).await;
    assert_eq!(workers[&node]["stats"]["pool"]["max-concurrency"], 4);
    assert_eq!(workers[&node]["active_queues"][0]["name"], fleet.setup.queue.as_str());
    assert_eq!(workers[&node]["registered"][0], "add");
    fleet.run(TASKS).await;
    let tasks = flower.shows_tasks(&node).await;
    let id = tasks.as_object().unwrap().keys().next().unwrap();
    for (path, text) in [
        ("/".to_owned(), node.as_str()),
        ("/".to_owned(), THEIRS),
        (format!("/worker/{node}"), &fleet.setup.queue),
        (format!("/worker/{THEIRS}"), &fleet.theirs()),
        ("/tasks".to_owned(), "tasks"),
        (format!("/task/{id}"), id),
        ("/broker".to_owned(), "roker"),
    ] {
        let page = flower.get(&path).await;
        assert!(page.as_str().unwrap().contains(text), "{path} says nothing of {text}");
    }

    let more = format!("{}.more", fleet.setup.queue);
    for (path, answer) in [
        (format!("/api/worker/pool/grow/{node}?n=2"), format!("Growing '{node}' worker's pool by 2")),
        (format!("/api/worker/pool/shrink/{node}?n=1"), format!("Shrinking '{node}' worker's pool by 1")),
        (
            format!("/api/worker/pool/autoscale/{THEIRS}?min=1&max=4"),
            format!("Autoscaling '{THEIRS}' worker (min=1, max=4)"),
        ),
        (format!("/api/worker/queue/add-consumer/{node}?queue={more}"), format!("add consumer {more}")),
        (
            format!("/api/worker/queue/cancel-consumer/{node}?queue={more}"),
            format!("no longer consuming from {more}"),
        ),
        (
            format!("/api/task/rate-limit/add?workername={node}&ratelimit=100"),
            "new rate limit set successfully".into(),
        ),
        (
            format!("/api/task/timeout/boom?workername={node}&hard=2&soft=1"),
            "time limits set successfully".into(),
        ),
    ] {
        assert_eq!(flower.press(&path).await, json!({"message": answer}), "{path}");
    }
    let stats = flower.shows("/api/workers?refresh=1", complete).await;
    assert_eq!(stats[&node]["stats"]["pool"]["max-concurrency"], 5);
    assert_eq!(stats[THEIRS]["stats"]["autoscaler"]["max"], 4);
    let running = fleet.run("from fleet import *; print(slow.delay(600).id)").await.trim().to_owned();
    flower.shows("/api/tasks?taskname=slow", |tasks| tasks[&running]["state"] == "STARTED").await;
    let revoked = flower.press(&format!("/api/task/revoke/{running}?terminate=true")).await;
    assert_eq!(revoked, json!({"message": format!("Revoked '{running}'")}));
    flower.shows("/api/tasks?taskname=slow", |tasks| tasks[&running]["state"] == "REVOKED").await;
    for name in [&node, THEIRS] {
        let shutdown = flower.press(&format!("/api/worker/shutdown/{name}")).await;
        assert_eq!(shutdown, json!({"message": "Shutting down!"}));
    }

    assert!(theirs.wait(PATIENCE).await.success());
    fleet.setup.amqp().await.delete([fleet.theirs(), format!("{more}.unclaimed"), more]).await;
    assert!(fleet.stopped().await);
    flower.stop().await;
}

#[tokio::test]
async fn flowers_pages_show_both_workers_and_their_tasks_in_a_browser() {
    let fleet = Fleet::start("flower-browser").await;
    let mut theirs = fleet.python_worker(THEIRS, &["-P", "solo"]).await;
    let flower = Flower::start(&fleet).await;
    fleet.run(TASKS).await;
    let tasks = flower.shows_tasks(&fleet.node).await;
    let failed = tasks.as_object().unwrap().iter().find(|(_, task)| task["state"] == "FAILURE");
    let (id, _) = failed.unwrap();
    let browser = Browser::start("en").await;

    for (path, texts) in [
        ("/", [fleet.node.as_str(), THEIRS, "Online"]),
        ("/tasks", ["boom", "FAILURE", "SUCCESS"]),
        (&format!("/task/{id}"), [id, "boom", "FAILURE"]),
    ] {
        browser.session.goto(format!("{}{path}", flower.address)).await.expect("the page opens");
        let mut page = String::new();
        let shown = eventually(PATIENCE, async || {
            let text = browser.run("return document.body.innerText").await;
            // Long names are broken into lines.
            page = text.as_str().unwrap_or_default().replace('\n', "");
            texts.iter().all(|text| page.contains(text))
        });
        assert!(shown.await, "{path} does not show {texts:?}:\n{page}");
    }

    browser.finish().await;
    theirs.sigterm();
    ended(theirs).await;
    flower.stop().await;
    fleet.setup.amqp().await.delete([fleet.theirs()]).await;
    fleet.stop().await;
}

//! Flower shows our worker and its tasks, and its buttons work on it.

use std::time::Duration;

use postrider_tests::servers::{Proc, eventually, free_port};
use serde_json::{Value, json};

use crate::{fleet::Fleet, python::PATIENCE};

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
}

#[tokio::test]
async fn flower_lists_our_worker_with_its_tasks_and_its_buttons_work() {
    let fleet = Fleet::start("flower").await;
    let flower = Flower::start(&fleet).await;
    let node = fleet.node.clone();

    flower.shows("/api/workers?status=1", |workers| workers[&node] == true).await;
    // Each kind of answer is kept as it comes, and the queue is consumed a second after the start.
    let complete = |workers: &Value| {
        let ours = &workers[&node];
        ours["stats"].is_object() && !ours["registered"].is_null() && ours["active_queues"][0].is_object()
    };
    let workers = flower.shows("/api/workers?refresh=1", complete).await;
    assert_eq!(workers[&node]["stats"]["pool"]["max-concurrency"], 4);
    assert_eq!(workers[&node]["active_queues"][0]["name"], fleet.setup.queue.as_str());
    assert_eq!(workers[&node]["registered"][0], "add");
    // Flower asks for task events some seconds after its start.
    let lines = "from fleet import *\n\
                 until(lambda: ours(app.control.inspect().conf())['worker_send_task_events'])\n\
                 add.delay(1, 2).get(timeout=10)\n\
                 try:\n    boom.delay('1').get(timeout=10)\n\
                 except ValueError:\n    pass";
    fleet.run(lines).await;
    let tasks = flower.shows("/api/tasks", |tasks| {
        let states =
            tasks.as_object().into_iter().flat_map(|tasks| tasks.values()).map(|task| &task["state"]);
        let mut states: Vec<&str> = states.filter_map(Value::as_str).collect();
        states.sort_unstable();
        states == ["FAILURE", "SUCCESS"]
    });
    let tasks = tasks.await;
    assert!(tasks.as_object().unwrap().values().all(|task| task["worker"] == node.as_str()), "{tasks}");
    let page = flower.get(&format!("/worker/{node}")).await;
    assert!(page.as_str().unwrap().contains(&fleet.setup.queue), "the worker's page names its queue");
    for path in ["/", "/tasks", "/broker"] {
        flower.get(path).await;
    }

    let said = [
        flower.press(&format!("/api/worker/pool/grow/{node}?n=2")).await,
        flower.press(&format!("/api/worker/pool/shrink/{node}?n=1")).await,
        flower.press(&format!("/api/worker/queue/cancel-consumer/{node}?queue=none")).await,
        flower.press(&format!("/api/task/rate-limit/add?workername={node}&ratelimit=100")).await,
        flower.press(&format!("/api/task/timeout/slow?workername={node}&hard=2&soft=1")).await,
        flower.press("/api/task/revoke/nothing?terminate=true").await,
    ];
    assert!(said[0]["message"].as_str().unwrap().contains("Growing"), "{said:?}");
    let shutdown = flower.press(&format!("/api/worker/shutdown/{node}")).await;
    assert_eq!(shutdown, json!({"message": "Shutting down!"}));
    assert!(fleet.stopped().await);
    let mut process = flower.process;
    process.sigterm();
    postrider_tests::worker::ended(process).await;
}

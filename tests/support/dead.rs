//! The dead letters of one test, in the `sms.dead` that all tests of a broker share.
//!
//! A look through the queue hides its messages from every other look, so looks take turns across all test processes.
//! Letters are told apart by the queue that they came from, which is one test's own.

use std::{env, fs::File, time::Duration};

use serde::Deserialize;

use crate::{
    amqp::Envelope,
    servers::eventually,
    worker::{Output, PATIENCE, Setup},
};

/// A dead letter as `dead list --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the command says what they are")]
pub struct DeadLetter {
    pub id: String,
    pub task: String,
    pub queue: String,
    pub reason: String,
    pub detail: String,
    pub retries: i64,
    pub died_at: Option<String>,
    pub not_after: Option<String>,
}

impl Setup {
    /// The dead letters of this setup's queue, oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let Output { status, text } = self.dead(&["list", "--json"]).await;
        assert!(status.success(), "dead list failed:\n{text}");
        let letters = text.lines().map(|line| serde_json::from_str(line).expect("one object a line"));
        letters.filter(|letter: &DeadLetter| letter.queue == self.queue).collect()
    }

    /// The same, once there are that many.
    pub async fn wait_for_dead_letters(&self, count: usize, within: Duration) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        let came = eventually(within, async || {
            letters = self.dead_letters().await;
            letters.len() >= count
        })
        .await;
        assert!(came, "{} dead letters of {count} came within {within:?}: {letters:?}", letters.len());
        letters
    }

    /// The messages behind [`Setup::dead_letters`], as they lie in the queue.
    pub async fn dead_messages(&self) -> Vec<Envelope> {
        let _turn = turn().await;
        let amqp = self.amqp().await;
        let ours = |message: &Envelope| {
            let queue = message.text("postrider-queue").or_else(|| message.text("x-first-death-queue"));
            queue.as_deref() == Some(&self.queue)
        };
        amqp.browse("sms.dead").await.into_iter().filter(ours).collect()
    }

    /// Runs `dead ...`.
    pub async fn dead(&self, args: &[&str]) -> Output {
        let _turn = turn().await;
        let args = [&["dead"], args].concat();
        self.command(&args).await
    }
}

/// This process's turn to look, until it is dropped.
async fn turn() -> File {
    let path = env::temp_dir().join("postrider-test-dead-letters.lock");
    let file = File::options().create(true).append(true).open(&path).expect("the temp folder is writable");
    let locked = eventually(PATIENCE, async || file.try_lock().is_ok()).await;
    assert!(locked, "another test looks through the dead letters for {PATIENCE:?} already");
    file
}

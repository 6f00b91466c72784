//! Send records on Redis: each step is one script.

use std::sync::LazyLock;
use std::time::Duration;

use postrider_core::clock::{duration_from_millis, from_millis, millis};
use postrider_core::codes::NOTE_DELIVERY;
use postrider_core::redis::{Arg, Redis, Script, StoreError};
use postrider_core::verification::DeliveryState;
use uuid::Uuid;

use super::{Claim, Claimed, Finish, MAX_STARTS, RETENTION, Turn};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));
static TAKE_BACK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take_back.lua")));
static FINISH: LazyLock<Script> = LazyLock::new(|| Script::behind(NOTE_DELIVERY, include_str!("finish.lua")));

/// How often taking a claim back is tried.
const TAKE_BACK_TRIES: u32 = 3;
/// How long it waits before the next try.
const TAKE_BACK_WAIT: Duration = Duration::from_millis(200);

/// Send records on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisRecords(Redis);

impl RedisRecords {
    /// The records on this Redis.
    pub fn new(redis: Redis) -> Self {
        Self(redis)
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let mark = Uuid::new_v4().simple().to_string();
        let args: [Arg; 9] = [
            self.0.now_argument(),
            claim.not_after.map(|end| end.as_millisecond().to_string()).unwrap_or_default().into(),
            millis(claim.window).into(),
            i64::from(claim.resend).into(),
            i64::from(claim.replays).into(),
            i64::from(MAX_STARTS).into(),
            millis(RETENTION).into(),
            millis(claim.lease).into(),
            mark.as_str().into(),
        ];
        match self.0.invoke::<Vec<String>>(&CLAIM, &[self.0.send_key(&claim.task)], &args).await {
            Ok(answer) => understood(claim, &answer).ok_or(StoreError::Answer("claim.lua")),
            Err(error) => {
                self.take_back(&claim.task, &mark).await;
                Err(error)
            }
        }
    }

    /// A claim without an answer may have been written all the same, or may be written yet, and would read as a call that
    /// was made.
    async fn take_back(&self, task: &str, mark: &str) {
        let key = [self.0.send_key(task)];
        for attempt in 1..=TAKE_BACK_TRIES {
            let args: [Arg; 3] = [self.0.now_argument(), mark.into(), millis(RETENTION).into()];
            match self.0.invoke::<i64>(&TAKE_BACK, &key, &args).await {
                Ok(_) => return,
                Err(error) if attempt == TAKE_BACK_TRIES => {
                    tracing::warn!(task.id = task, %error, "a claim without an answer cannot be taken back");
                }
                Err(_) => tokio::time::sleep(TAKE_BACK_WAIT).await,
            }
        }
    }

    pub(super) async fn finish(
        &self,
        turn: &Turn,
        finish: &Finish,
        told: Option<(String, DeliveryState)>,
    ) -> Result<bool, StoreError> {
        let mut keys = vec![self.0.send_key(&turn.task)];
        let mut args: Vec<Arg> = vec![turn.fence.into(), finish.state().into(), finish.reason().into()];
        if let Some((verification, state)) = told {
            keys.push(verification);
            args.push(state.as_str().into());
        }
        let marked: i64 = self.0.invoke(&FINISH, &keys, &args).await?;
        Ok(marked == 1)
    }
}

fn understood(claim: &Claim, answer: &[String]) -> Option<Claimed> {
    let words: Vec<&str> = answer.iter().map(String::as_str).collect();
    let instant = |text: &str| text.parse().ok().map(from_millis);
    Some(match words[..] {
        ["granted", fence, end, call] => Claimed::Granted(Turn {
            task: claim.task.clone(),
            fence: fence.parse().ok()?,
            call: call.parse().ok()?,
            not_after: instant(end)?,
        }),
        ["sent"] => Claimed::Sent,
        ["held", wait] => Claimed::Held(duration_from_millis(wait.parse().ok()?)),
        ["expired", end] => Claimed::Expired(instant(end)?),
        ["unknown"] => Claimed::Unknown,
        ["dead", reason, end] => Claimed::Dead { reason: reason.into(), not_after: instant(end)? },
        ["poison", end] => Claimed::Poison(instant(end)?),
        _ => return None,
    })
}

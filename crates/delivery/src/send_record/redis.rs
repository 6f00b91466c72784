//! Send records on Redis: each step is one script.

use std::sync::LazyLock;
use std::time::Duration;

use postrider_core::clock::{duration_from_millis, from_millis, millis};
use postrider_core::redis::{Arg, Redis, Script, StoreError};

use super::{Begun, CLAIM_LEASE, Claim, Claimed, Finish, MAX_STARTS, RETENTION, Turn};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim.lua")));
static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("begin.lua")));
static FINISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("finish.lua")));

/// Send records on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisRecords(Redis);

impl RedisRecords {
    /// The records on this Redis.
    pub fn new(redis: Redis) -> Self {
        Self(redis)
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let args: [Arg; 8] = [
            self.0.now_argument(),
            claim.not_after.map(|end| end.as_millisecond().to_string()).unwrap_or_default().into(),
            millis(claim.window).into(),
            i64::from(claim.resend).into(),
            i64::from(claim.replays).into(),
            i64::from(MAX_STARTS).into(),
            millis(RETENTION).into(),
            millis(CLAIM_LEASE).into(),
        ];
        let answer: Vec<String> = self.0.invoke(&CLAIM, &[self.0.send_key(&claim.task)], &args).await?;
        understood(claim, &answer).ok_or(StoreError::Answer("claim.lua"))
    }

    pub(super) async fn begin(&self, turn: &Turn, lease: Duration) -> Result<Begun, StoreError> {
        let args = [self.0.now_argument(), turn.fence.into(), millis(lease).into()];
        let answer: i64 = self.0.invoke(&BEGIN, &[self.0.send_key(&turn.task)], &args).await?;
        Ok(match u32::try_from(answer) {
            Ok(0) => Begun::Expired,
            Ok(call) => Begun::Yes(call),
            Err(_) => Begun::Lost,
        })
    }

    pub(super) async fn finish(&self, turn: &Turn, finish: &Finish) -> Result<bool, StoreError> {
        let args = [turn.fence.into(), finish.state().into(), finish.reason().into()];
        let marked: i64 = self.0.invoke(&FINISH, &[self.0.send_key(&turn.task)], &args).await?;
        Ok(marked == 1)
    }
}

fn understood(claim: &Claim, answer: &[String]) -> Option<Claimed> {
    let words: Vec<&str> = answer.iter().map(String::as_str).collect();
    let instant = |text: &str| text.parse().ok().map(from_millis);
    Some(match words[..] {
        ["granted", fence, end] => Claimed::Granted(Turn {
            task: claim.task.clone(),
            fence: fence.parse().ok()?,
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

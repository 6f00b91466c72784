//! The throttle on Redis: `acquire.lua` and `release.lua`, each one atomic step.

use std::sync::{Arc, LazyLock};

use super::limit::Limits;
use super::{Asker, Decision, Grant, TAKE_SLOT};
use crate::clock::{duration_from_millis, millis};
use crate::redis::{Arg, Redis, Script, StoreError};

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| Script::behind(TAKE_SLOT, include_str!("acquire.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

/// Send times on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisThrottle {
    redis: Redis,
    limits: Arc<Limits>,
}

impl RedisThrottle {
    /// The windows that hold on this Redis.
    pub fn new(redis: Redis, limits: Limits) -> Self {
        Self { redis, limits: Arc::new(limits) }
    }

    pub(super) async fn acquire(&self, asker: Asker) -> Result<Decision, StoreError> {
        let (mut keys, mut args) = (Vec::new(), vec![self.redis.now_argument()]);
        self.describe(&asker, &mut keys, &mut args);
        let answer: Vec<i64> = self.redis.invoke(&ACQUIRE, &keys, &args).await?;
        self.decision(asker, &answer).ok_or(StoreError::Answer("acquire.lua"))
    }

    /// Adds what `take_slot.lua` reads of who asks.
    pub(crate) fn describe(&self, asker: &Asker, keys: &mut Vec<String>, args: &mut Vec<Arg>) {
        args.push(subjects(asker).count().into());
        for (subject, hashes) in subjects(asker) {
            keys.extend(hashes.iter().map(|hash| self.redis.throttle_key(hash)));
            let windows = self.limits.of(subject);
            args.extend([hashes.len().into(), windows.len().into()]);
            args.extend(windows.iter().flat_map(|w| [millis(w.window).into(), i64::from(w.max).into()]));
        }
    }

    /// Reads what `take_slot.lua` returned. `None` when it has another shape.
    pub(crate) fn decision(&self, asker: Asker, answer: &[i64]) -> Option<Decision> {
        match *answer {
            [1, at_ms, next_ms] => Some(Decision::Granted(Grant { at_ms, next_ms, asker })),
            [0, subject, window, wait] => {
                let index = |from_one: i64| usize::try_from(from_one - 1).ok();
                let (subject, _) = subjects(&asker).nth(index(subject)?)?;
                let by = self.limits.denied_by(subject, index(window)?);
                Some(Decision::Denied { by, retry_after: duration_from_millis(wait) })
            }
            _ => None,
        }
    }

    pub(super) async fn release(&self, grant: &Grant) -> Result<bool, StoreError> {
        let written = [grant.asker.number.first(), grant.asker.ip.first()].into_iter().enumerate();
        let (mut keys, mut args) = (Vec::new(), vec![self.redis.now_argument(), grant.at_ms.into()]);
        for (subject, hash) in written.filter_map(|(subject, hash)| Some((subject, hash?))) {
            keys.push(self.redis.throttle_key(hash));
            args.push(self.limits.longest(subject).into());
        }
        let released: i64 = self.redis.invoke(&RELEASE, &keys, &args).await?;
        Ok(released == 1)
    }
}

/// The number and the address of who asks, as far as they are known.
fn subjects(asker: &Asker) -> impl Iterator<Item = (usize, &Vec<String>)> {
    [&asker.number, &asker.ip].into_iter().enumerate().filter(|(_, hashes)| !hashes.is_empty())
}

//! Rate limits: how often a task of one name may begin in this worker, as Celery's `rate_limit` says it (`10/m`).
//!
//! 1. Each limited task has a row of slots, evenly spaced. A message takes the next one.
//! 2. A slot that is less than a second ahead is waited for in a place of the pool.
//! 3. One within the next minute is written into the message, which goes down the delay ladder and runs when it is back.
//!    It may come back to another worker: then that one runs it, and all workers together keep the rate on average.
//! 4. Beyond that no slot is given: the message goes down the ladder for about as long as those before it will take, at
//!    most an hour, and asks anew. So a changed limit counts for all messages but a minute's worth.
//!
//! Nothing is held in memory, and no prefetch. A worker without limits pays one look at a flag for each message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use postrider_core::broker::message::{Message, Value};
use serde_json::Value as Json;

/// The slot that a message was given, in milliseconds since 1970.
const SLOT_HEADER: &str = "postrider-rate-slot";
/// Slots are given so far ahead.
const AHEAD: Duration = Duration::from_mins(1);
/// The longest wait of a message that was given none.
const LONGEST: Duration = Duration::from_hours(1);
/// Waits below this are spent in memory: the delay ladder counts in whole seconds.
const LADDER_FROM: Duration = Duration::from_secs(1);

/// How often a task may begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

/// Why a text is no rate, in Python's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// It does not begin with a number.
    #[error("ValueError(\"could not convert string to float: '{0}'\")")]
    Number(String),
    /// After the slash stands something else than `s`, `m` or `h`.
    #[error("KeyError('{0}')")]
    Unit(String),
}

impl Rate {
    /// Reads `10/m`, `0.5/s`, `100/h`, or a number a second. `None` for no limit: nothing, zero, or below.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, RateError> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            unit => return Err(RateError::Unit(unit.into())),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let number: f64 = number.trim().parse().map_err(|_| RateError::Number(number.into()))?;
        Ok(Self::per_second(number / seconds))
    }

    /// The same from what remote control sends: a text, a number, or nothing.
    pub(crate) fn read(value: &Json) -> Result<Option<Self>, RateError> {
        match value {
            Json::String(text) => Self::parse(text),
            value => Ok(value.as_f64().and_then(Self::per_second)),
        }
    }

    fn per_second(number: f64) -> Option<Self> {
        (number.is_finite() && number > 0.0).then_some(Self(number))
    }

    /// The time between two slots; at most a day, so that a sum of them stays an instant.
    fn interval(self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.0).unwrap_or(Duration::MAX).min(Duration::from_hours(24))
    }
}

/// The limits of a worker's tasks.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    rows: RwLock<HashMap<String, Mutex<Row>>>,
    /// Whether there are any: spares the lock.
    any: AtomicBool,
}

/// The slots of one task.
#[derive(Debug)]
struct Row {
    interval: Duration,
    /// The next one to give.
    next: Timestamp,
    /// When those that were given none will have had theirs.
    beyond: Timestamp,
}

/// When a message may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// At once, or after this short wait.
    Run(Duration),
    /// After this wait on the delay ladder, at its slot if it was given one.
    Park { delay: Duration, slot: Option<Timestamp> },
}

impl RateLimits {
    /// Limits a task from now on, or no longer.
    pub(crate) fn set(&self, task: &str, rate: Option<Rate>) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        match rate {
            Some(rate) => rows.insert(task.into(), Mutex::new(Row::new(rate))),
            None => rows.remove(task),
        };
        self.any.store(!rows.is_empty(), Ordering::Release);
    }

    /// Says when a message may begin that could begin now, and takes its slot for it.
    pub(crate) fn admit(&self, task: &str, message: &mut Message, now: Timestamp) -> Admission {
        if !self.any.load(Ordering::Acquire) {
            return Admission::Run(Duration::ZERO);
        }
        let given = message.headers.remove(SLOT_HEADER);
        let given = given.and_then(|slot| Timestamp::from_millisecond(slot.as_i64()?).ok());
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = rows.get(task) else { return Admission::Run(Duration::ZERO) };
        match given.map(|slot| (slot, between(now, slot))) {
            // A slot that was given long ago by another clock is none.
            Some((slot, wait)) if wait <= AHEAD => at(slot, wait),
            _ => row.lock().unwrap_or_else(PoisonError::into_inner).take(now),
        }
    }
}

impl Admission {
    /// Writes the slot into the message that is parked.
    pub(crate) fn write(slot: Option<Timestamp>, message: &mut Message) {
        if let Some(slot) = slot {
            message.headers.insert(SLOT_HEADER.into(), Value::I64(slot.as_millisecond()));
        }
    }
}

impl Row {
    fn new(rate: Rate) -> Self {
        Self { interval: rate.interval(), next: Timestamp::MIN, beyond: Timestamp::MIN }
    }

    fn take(&mut self, now: Timestamp) -> Admission {
        let slot = self.next.max(now);
        let wait = between(now, slot);
        if wait <= AHEAD {
            self.next = later(slot, self.interval);
            return at(slot, wait);
        }
        let turn = self.beyond.max(slot);
        self.beyond = later(turn, self.interval);
        Admission::Park { delay: between(now, turn).min(LONGEST), slot: None }
    }
}

/// At this slot, which is so far ahead. The ladder rounds up; what it is asked for is rounded down, and the rest is
/// waited for in memory.
fn at(slot: Timestamp, wait: Duration) -> Admission {
    if wait < LADDER_FROM {
        Admission::Run(wait)
    } else {
        Admission::Park { delay: Duration::from_secs(wait.as_secs()), slot: Some(slot) }
    }
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

fn later(from: Timestamp, wait: Duration) -> Timestamp {
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2030-01-01T00:00:00Z".parse().unwrap()
    }

    fn limited(rate: &str) -> RateLimits {
        let limits = RateLimits::default();
        limits.set("t", Rate::parse(rate).unwrap());
        limits
    }

    #[test]
    fn rates_are_read_as_celery_reads_them() {
        for (text, per_minute) in [("10/m", 10.0), ("0.5/s", 30.0), ("2", 120.0), ("60/h", 1.0), ("1/", 60.0)]
        {
            let rate = Rate::parse(text).unwrap().unwrap();
            assert!((rate.0 * 60.0 - per_minute).abs() < 1e-9, "{text}");
        }
        for text in ["", "0", "0/m", "-1/s", "inf", "nan"] {
            assert_eq!(Rate::parse(text), Ok(None), "{text}");
        }
        assert_eq!(Rate::read(&Json::Null), Ok(None));
        assert_eq!(Rate::read(&serde_json::json!(3)), Ok(Rate::per_second(3.0)));
        let told = |text: &str| Rate::parse(text).unwrap_err().to_string();
        assert_eq!(told("bogus"), "ValueError(\"could not convert string to float: 'bogus'\")");
        assert_eq!(told("1/d"), "KeyError('d')");
    }

    #[test]
    fn a_minutes_worth_is_spaced_evenly_and_the_rest_asks_anew() {
        let limits = limited("10/m");
        let admit = |_| limits.admit("t", &mut Message::default(), start());
        let waits: Vec<Admission> = (0..13).map(admit).collect();

        let slot = |n: i64| later(start(), Duration::from_secs(6) * u32::try_from(n).unwrap());
        let parked = |n: i64| Admission::Park { delay: between(start(), slot(n)), slot: Some(slot(n)) };
        assert_eq!(waits[0], Admission::Run(Duration::ZERO));
        assert_eq!(waits[1..11], (1..11).map(parked).collect::<Vec<_>>());
        let unslotted = |seconds| Admission::Park { delay: Duration::from_secs(seconds), slot: None };
        assert_eq!(waits[11..], [unslotted(66), unslotted(72)]);
        assert_eq!(limits.admit("other", &mut Message::default(), start()), Admission::Run(Duration::ZERO));
    }

    #[test]
    fn a_message_that_comes_back_at_its_slot_runs_and_takes_no_other() {
        let limits = limited("10/m");
        let mut message = Message::default();
        limits.admit("t", &mut Message::default(), start());
        let Admission::Park { delay, slot } = limits.admit("t", &mut message, start()) else {
            panic!("parked")
        };
        Admission::write(slot, &mut message);

        let back = later(start(), Duration::from_millis(5_700));
        assert_eq!(limits.admit("t", &mut message, back), Admission::Run(Duration::from_millis(300)));
        assert!(message.headers.is_empty(), "a retry of it would run at once");
        assert_eq!(
            limits.admit("t", &mut message, later(start(), delay)),
            Admission::Park {
                delay: Duration::from_secs(6),
                slot: Some(later(start(), Duration::from_secs(12)))
            }
        );
    }

    #[test]
    fn whatever_the_order_no_more_begin_than_the_rate_allows() {
        let limits = limited("2/s");
        let mut waiting: Vec<(Timestamp, Message)> =
            (0..500).map(|_| (start(), Message::default())).collect();
        let mut begun: Vec<Timestamp> = Vec::new();

        while let Some(first) = (0..waiting.len()).min_by_key(|index| waiting[*index].0) {
            let (now, mut message) = waiting.swap_remove(first);
            match limits.admit("t", &mut message, now) {
                Admission::Run(wait) => begun.push(later(now, wait)),
                Admission::Park { delay, slot } => {
                    Admission::write(slot, &mut message);
                    waiting.push((later(now, delay), message));
                }
            }
        }

        begun.sort_unstable();
        let tight =
            begun.windows(2).filter(|pair| between(pair[0], pair[1]) < Duration::from_millis(500)).count();
        assert_eq!((begun.len(), tight), (500, 0));
        assert!(between(begun[0], begun[499]) < Duration::from_mins(5), "slots are wasted: {:?}", begun[499]);
    }
}

//! What is done with a message: pure decisions, before a run and after it.
//!
//! Nothing here touches a broker or a clock. `settle` acts on what is decided.

use std::time::Duration;

use jiff::Timestamp;
use postrider_core::celery::{Arguments, Call, HeaderError, TaskHeaders};
use postrider_core::task::{AutoRetry, Reason, Retry, RetryPolicy, TaskError};
use serde_json::Value;

/// How long a message waits whose payload is newer than this worker, before it is looked at again.
const NEWER_WAIT: Duration = Duration::from_secs(10);
/// How long a newer message without an end of life is kept waiting before it is given up.
const NEWER_LIMIT: Duration = Duration::from_hours(24);
/// Waits below this are spent in memory: the delay ladder counts in whole seconds.
const LADDER_FROM: Duration = Duration::from_secs(1);

/// What is known about a message when it arrives, before its body is read.
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
#[derive(Debug, Clone)]
pub(crate) struct Arrival<'a> {
    pub headers: &'a Result<TaskHeaders, HeaderError>,
    /// Whether a task of that name is registered here.
    pub registered: bool,
    /// Whether the queue is ours.
    pub owned: bool,
    /// Whether the payload's version is above what this worker reads.
    pub newer: bool,
    /// Whether it was revoked by remote control.
    pub revoked: bool,
    /// When a newer payload was first put off, if it was.
    pub waiting_since: Option<Timestamp>,
    pub now: Timestamp,
}

/// What is done with a message that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OnArrival {
    /// Run it, after this short wait.
    Run(Duration),
    /// Its end of life has passed: tell the task, then ack.
    Expire,
    /// It was revoked: ack.
    Revoke,
    /// It comes back after this wait, its retries unchanged.
    Postpone(Duration),
    /// It comes back after a wait because this worker is too old for it.
    AwaitUpgrade(Duration),
    /// To the dead-letter queue.
    Bury(Reason),
    /// Another program's task: to `<queue>.unclaimed`, unchanged.
    LeaveToOwner,
}

/// What is done with a message after its run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AfterRun {
    /// Done, in one of the ways that end here.
    Done(Ended),
    /// Again after this wait, as this many-th retry, perhaps with other arguments.
    Retry { delay: Duration, retries: u32, reason: Reason, arguments: Option<Box<Arguments>> },
    /// Again after this wait, its retries unchanged.
    Postpone(Duration),
    /// It has failed.
    Fail(Reason),
    /// The task refused it: back to its queue, or to the dead-letter queue.
    Reject { reason: Reason, requeue: bool },
    /// Another call takes its place.
    Replace(Box<Call>),
    /// Back to its queue at once.
    Requeue,
}

/// How a task ended that is acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    Succeeded(Value),
    Expired,
    Ignored,
    Unknown(Reason),
}

pub(crate) fn on_arrival(arrival: &Arrival<'_>) -> OnArrival {
    let Arrival { headers, registered, owned, newer, revoked, waiting_since, now } = arrival;
    let headers = match headers {
        Ok(headers) => headers,
        // On a queue of another program, what we cannot read may be what it can.
        Err(_) if !owned => return OnArrival::LeaveToOwner,
        Err(error) => return OnArrival::Bury(Reason::new("undecodable", error.to_string())),
    };
    if !(*registered || *newer && *owned) {
        return if *owned {
            OnArrival::Bury(Reason::new("unknown_task", "no task of this name is registered here"))
        } else {
            OnArrival::LeaveToOwner
        };
    }
    if headers.expires.is_some_and(|expires| expires <= *now) {
        return OnArrival::Expire;
    }
    if *revoked {
        return OnArrival::Revoke;
    }
    if *newer {
        let waited = waiting_since.map_or(Duration::ZERO, |since| between(since, *now));
        return if headers.expires.is_none() && waited >= NEWER_LIMIT {
            OnArrival::Bury(Reason::new(
                "newer_version",
                "no worker that reads this payload came within a day",
            ))
        } else {
            OnArrival::AwaitUpgrade(NEWER_WAIT)
        };
    }
    match headers.eta.map_or(Duration::ZERO, |eta| between(*now, eta)) {
        wait if wait >= LADDER_FROM => OnArrival::Postpone(wait),
        wait => OnArrival::Run(wait),
    }
}

/// Decides after a run. `draw` gives a random number in 0..=1 000 000 for a retry's jitter.
pub(crate) fn after_run(
    result: Result<Value, TaskError>,
    retries: u32,
    (policy, autoretry): (RetryPolicy, AutoRetry),
    draw: impl FnOnce() -> u32,
) -> AfterRun {
    let retry = |mut retry: Retry| {
        let arguments = retry.arguments.take();
        match retry.decide(policy, retries, Some(draw())) {
            Ok((delay, reason)) => AfterRun::Retry { delay, retries: retries + 1, reason, arguments },
            Err(reason) => AfterRun::Fail(reason),
        }
    };
    match result {
        Ok(value) => AfterRun::Done(Ended::Succeeded(value)),
        Err(TaskError::Retry(asked)) => retry(*asked),
        Err(TaskError::Raised(reason)) if autoretry.takes(&reason) => retry(Retry::backoff().because(reason)),
        Err(TaskError::Fail(reason)) if autoretry.takes_raised(&reason) => {
            retry(Retry::backoff().because(reason))
        }
        Err(TaskError::Raised(reason) | TaskError::Fail(reason)) => AfterRun::Fail(reason),
        Err(TaskError::Reject { reason, requeue }) => AfterRun::Reject { reason, requeue },
        Err(TaskError::Ignore) => AfterRun::Done(Ended::Ignored),
        Err(TaskError::Replace(call)) => AfterRun::Replace(call),
        Err(TaskError::Snooze(delay)) => AfterRun::Postpone(delay),
        Err(TaskError::Unknown(reason)) => AfterRun::Done(Ended::Unknown(reason)),
        Err(TaskError::Expired) => AfterRun::Done(Ended::Expired),
        Err(TaskError::Interrupted) => AfterRun::Requeue,
    }
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use postrider_core::celery::Exception;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "an arrival takes the result of reading them")]
    fn headers(eta: Option<&str>, expires: Option<&str>) -> Result<TaskHeaders, HeaderError> {
        let instant = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Ok(TaskHeaders {
            task: "t".into(),
            id: "1".into(),
            retries: 0,
            eta: instant(eta),
            expires: instant(expires),
        })
    }

    fn arrival(headers: &Result<TaskHeaders, HeaderError>) -> Arrival<'_> {
        Arrival {
            headers,
            registered: true,
            owned: true,
            newer: false,
            revoked: false,
            waiting_since: None,
            now: "2030-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_task_runs_when_its_time_has_come_and_not_after_its_end_of_life() {
        let cases = [
            (None, None, OnArrival::Run(Duration::ZERO)),
            (Some("2029-12-31T23:59:59Z"), None, OnArrival::Run(Duration::ZERO)),
            (Some("2030-01-01T00:00:00.5Z"), None, OnArrival::Run(Duration::from_millis(500))),
            (Some("2030-01-01T00:00:06Z"), None, OnArrival::Postpone(Duration::from_secs(6))),
            (None, Some("2030-01-01T00:00:00Z"), OnArrival::Expire),
            (Some("2030-01-01T00:00:06Z"), Some("2029-12-31T00:00:00Z"), OnArrival::Expire),
        ];
        for (eta, expires, expected) in cases {
            assert_eq!(on_arrival(&arrival(&headers(eta, expires))), expected, "{eta:?} {expires:?}");
        }
    }

    #[test]
    fn what_nobody_here_can_run_is_buried_on_our_queues_and_left_to_its_owner_on_others() {
        let (good, bad) = (headers(None, None), Err(HeaderError::NoTask));
        let on = |headers, owned, registered| on_arrival(&Arrival { registered, owned, ..arrival(headers) });

        assert!(matches!(on(&bad, true, false), OnArrival::Bury(reason) if reason.code == "undecodable"));
        assert!(matches!(on(&good, true, false), OnArrival::Bury(reason) if reason.code == "unknown_task"));
        assert_eq!(on(&bad, false, false), OnArrival::LeaveToOwner);
        assert_eq!(on(&good, false, false), OnArrival::LeaveToOwner);
    }

    #[test]
    fn a_newer_payload_waits_within_its_end_of_life() {
        let (endless, ending) = (headers(None, None), headers(None, Some("2030-01-02T00:00:00Z")));
        let old: Timestamp = "2029-12-30T00:00:00Z".parse().unwrap();
        let on =
            |headers, waiting_since| on_arrival(&Arrival { newer: true, waiting_since, ..arrival(headers) });

        assert_eq!(on(&endless, None), OnArrival::AwaitUpgrade(NEWER_WAIT));
        let unheard_of = Arrival { newer: true, registered: false, ..arrival(&endless) };
        assert_eq!(on_arrival(&unheard_of), OnArrival::AwaitUpgrade(NEWER_WAIT));
        assert!(matches!(on(&endless, Some(old)), OnArrival::Bury(reason) if reason.code == "newer_version"));
        assert_eq!(on(&ending, Some(old)), OnArrival::AwaitUpgrade(NEWER_WAIT));
    }

    #[test]
    fn what_was_revoked_ends_unless_it_is_too_late_anyway() {
        let (endless, ended) = (headers(None, None), headers(None, Some("2029-12-31T00:00:00Z")));
        let on = |headers| on_arrival(&Arrival { revoked: true, ..arrival(headers) });

        assert_eq!(on(&endless), OnArrival::Revoke);
        assert_eq!(on(&ended), OnArrival::Expire);
    }

    const POLICY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);

    fn after(error: TaskError) -> AfterRun {
        after_run(Err(error), 0, (POLICY, AutoRetry::All), || 0)
    }

    #[test]
    fn an_error_that_may_pass_is_retried_three_times_after_3_6_and_12_seconds_and_then_it_has_failed() {
        let mut waits = Vec::new();
        for retries in 0.. {
            let error = Err(TaskError::retry("down", "it is down"));
            match after_run(error, retries, (POLICY, AutoRetry::All), || 0) {
                AfterRun::Retry { delay, retries: next, .. } => {
                    assert_eq!(next, retries + 1);
                    waits.push(delay.as_secs());
                }
                AfterRun::Fail(reason) => {
                    assert_eq!(reason.code, "exhausted:down");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [3, 6, 12]);
    }

    #[test]
    fn an_error_that_nobody_judged_is_retried_if_the_task_says_so() {
        let error = || Err(std::io::Error::other("broken pipe").into());
        let after = |autoretry| after_run(error(), 0, (POLICY, autoretry), || 0);

        assert!(matches!(after(AutoRetry::All), AfterRun::Retry { delay, .. } if delay.as_secs() == 3));
        assert!(matches!(after(AutoRetry::Nothing), AfterRun::Fail(reason) if reason.code == "error"));
        assert!(matches!(after(AutoRetry::Except(&["Error"])), AfterRun::Fail(_)));
    }

    #[test]
    fn an_exception_that_the_task_raised_is_retried_where_its_class_is_named() {
        let raised = || Err(TaskError::raise(Exception::builtin("ValueError", "not yet")));
        let after = |error, autoretry| after_run(error, 0, (POLICY, autoretry), || 0);
        let named = AutoRetry::Only(&["ValueError", "bad"]);

        assert!(matches!(after(raised(), named), AfterRun::Retry { .. }));
        assert!(matches!(after(raised(), AutoRetry::Only(&["KeyError"])), AfterRun::Fail(_)));
        assert!(matches!(after(raised(), AutoRetry::All), AfterRun::Fail(_)));
        assert!(matches!(after(Err(TaskError::fail("bad", "for good")), named), AfterRun::Fail(_)));
    }

    #[test]
    fn every_other_end_has_its_own_way() {
        let reason = || Reason::new("bad", "it is bad");
        let wait = Duration::from_secs(9);

        assert_eq!(after(TaskError::Fail(reason())), AfterRun::Fail(reason()));
        assert_eq!(after(TaskError::Unknown(reason())), AfterRun::Done(Ended::Unknown(reason())));
        assert_eq!(after(TaskError::Expired), AfterRun::Done(Ended::Expired));
        assert_eq!(after(TaskError::Ignore), AfterRun::Done(Ended::Ignored));
        assert_eq!(after(TaskError::Snooze(wait)), AfterRun::Postpone(wait));
        assert_eq!(after(TaskError::Interrupted), AfterRun::Requeue);
        assert_eq!(
            after(TaskError::reject("bad", "it is bad", true)),
            AfterRun::Reject { reason: reason(), requeue: true }
        );
        let call = Box::new(Call::new("other"));
        assert_eq!(after(TaskError::Replace(call.clone())), AfterRun::Replace(call));
        let asked = Retry::after(Duration::from_mins(1)).because(reason()).into();
        assert!(matches!(after(asked), AfterRun::Retry { delay, .. } if delay.as_secs() == 60));
    }
}

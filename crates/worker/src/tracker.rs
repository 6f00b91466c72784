//! What is here now: the tasks that wait for their start, that run, and the nearest that wait for their time.
//!
//! A task costs one allocation and two short locks here, of one shard out of many. What a tool shows is put together when it is
//! asked for: the arguments are read from the message's bytes, which are shared.
//!
//! What waits for its time lies in the broker's delay ladder and costs no memory here. So that it can be listed at all,
//! the nearest of those that passed through this worker are remembered, long arguments shortened; one that was sent on by
//! another worker, or that lies beyond the limit, is not listed.

mod later;
mod slab;
mod tracked;

use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use postrider_core::broker::message::Message;
use postrider_core::celery::TaskHeaders;

use later::Later;
use slab::Slab;
pub(crate) use tracked::{Tracked, stamps};

/// Locks that the tasks are spread over.
const SHARDS: usize = 16;

/// A message that was taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    /// The registered name of its task.
    pub task: &'static str,
    /// Whether the task's arguments must not be shown.
    pub sensitive: bool,
    /// What its headers say.
    pub headers: &'a TaskHeaders,
    /// All of it.
    pub message: &'a Message,
    /// The queue that it came from.
    pub queue: &'a Arc<str>,
    /// The exchange that it was published to, and the routing key.
    pub published_to: (&'a str, &'a str),
    /// Whether it was handed out before.
    pub redelivered: bool,
    /// Whether it was said before that it was received.
    pub announced: bool,
}

impl<'a> Arrived<'a> {
    /// What tools call it: as its caller wants it, else as its task.
    pub(crate) fn name(&self) -> &'a str {
        self.message.header("shadow").filter(|shadow| !shadow.is_empty()).unwrap_or(self.task)
    }
}

/// The tasks that are here. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Tracker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: [Mutex<Slab>; SHARDS],
    next: AtomicUsize,
    active: AtomicUsize,
    later: Mutex<Later>,
}

/// A task's place among those that are here.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) tracked: Arc<Tracked>,
    shard: usize,
    place: usize,
}

impl Default for Tracker {
    fn default() -> Self {
        Self(Arc::new(Inner {
            shards: array::from_fn(|_| Mutex::default()),
            next: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            later: Mutex::default(),
        }))
    }
}

impl Tracker {
    /// Holds a task until it is released.
    pub(crate) fn hold(&self, arrived: &Arrived<'_>) -> Slot {
        let tracked = Arc::new(Tracked::new(arrived));
        let shard = self.0.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let place = self.shard(shard, |slab| slab.insert(Arc::clone(&tracked)));
        Slot { tracked, shard, place }
    }

    /// Lets go of a task.
    pub(crate) fn release(&self, slot: &Slot) {
        if slot.tracked.is_active() {
            self.0.active.fetch_sub(1, Ordering::Relaxed);
        }
        let released = self.shard(slot.shard, |slab| slab.remove(slot.place));
        drop(released);
    }

    /// One more task runs.
    pub(crate) fn one_more_active(&self) {
        self.0.active.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers a task that waits for its time.
    pub(crate) fn postpone(&self, arrived: &Arrived<'_>, eta: Timestamp, now: Timestamp) {
        self.later(|later| later.insert(Tracked::new(arrived), eta, now));
    }

    /// Remembers a task that was held and now waits for its time.
    pub(crate) fn postpone_held(&self, slot: &Slot, eta: Timestamp, now: Timestamp) {
        let tracked = slot.tracked.unstarted();
        self.later(|later| later.insert(tracked, eta, now));
    }

    /// How many run.
    pub(crate) fn active_count(&self) -> usize {
        self.0.active.load(Ordering::Relaxed)
    }

    /// Those that are here, running or not.
    pub(crate) fn held(&self) -> Vec<Arc<Tracked>> {
        let all = |shard| self.shard(shard, |slab| slab.all().cloned().collect::<Vec<_>>());
        (0..SHARDS).flat_map(all).collect()
    }

    /// The nearest that wait for their time, by time.
    pub(crate) fn scheduled(&self, now: Timestamp) -> Vec<(Timestamp, Arc<Tracked>)> {
        self.later(|later| later.all(now))
    }

    fn shard<T>(&self, number: usize, use_it: impl FnOnce(&mut Slab) -> T) -> T {
        use_it(&mut self.0.shards[number].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn later<T>(&self, use_it: impl FnOnce(&mut Later) -> T) -> T {
        use_it(&mut self.0.later.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use postrider_core::broker::message::{Properties, Table, Value};
    use serde_json::json;

    use super::*;

    /// A message as Celery writes `add.delay(1, 2)`.
    pub(crate) fn call(id: &str) -> (TaskHeaders, Message, Arc<str>) {
        let headers = Table::from([
            ("task".into(), Value::from("add")),
            ("id".into(), Value::from(id)),
            ("root_id".into(), Value::from(id)),
            ("argsrepr".into(), Value::from("(1, 2)")),
            ("kwargsrepr".into(), Value::from("{}")),
        ]);
        let properties = Properties {
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            ..Properties::default()
        };
        let message = Message { properties, headers, body: "[[1, 2], {}, {}]".into() };
        (TaskHeaders::read(&message).unwrap(), message, "celery".into())
    }

    pub(crate) fn arrived((headers, message, queue): &(TaskHeaders, Message, Arc<str>)) -> Arrived<'_> {
        let published_to = ("", &**queue);
        Arrived {
            task: "add",
            sensitive: false,
            headers,
            message,
            queue,
            published_to,
            redelivered: false,
            announced: false,
        }
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_task_is_here_from_its_arrival_to_its_release() {
        let tracker = Tracker::default();
        let calls: Vec<_> = (0..100).map(|number| call(&number.to_string())).collect();

        let mut slots: Vec<Slot> = calls.iter().map(|call| tracker.hold(&arrived(call))).collect();
        slots[7].tracked.started(1_500);
        tracker.one_more_active();

        assert_eq!((tracker.held().len(), tracker.active_count()), (100, 1));
        for slot in slots.drain(..) {
            tracker.release(&slot);
        }
        assert_eq!((tracker.held().len(), tracker.active_count()), (0, 0));
    }

    #[test]
    fn a_request_is_shown_with_the_keys_and_types_of_a_capture() {
        let call = call("i1");
        let tracked = Tracked::new(&arrived(&call));
        let captured: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/celery/pidbox-active.json")).unwrap();
        let theirs = captured["replies"][0]["body_json"]["worker1@host"][0].as_object().unwrap();

        let waiting = tracked.info("w1@h", false);
        tracked.acknowledged();
        tracked.started(1_500);
        let running = tracked.info("w1@h", true);

        assert!(waiting["time_start"].is_null() && waiting["worker_pid"].is_null());
        assert_eq!((&waiting["args"], &waiting["acknowledged"]), (&json!([1, 2]), &json!(false)));
        assert_eq!(running.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        assert_eq!((&running["args"], &running["kwargs"]), (&json!("(1, 2)"), &json!("{}")));
        assert_eq!((&running["time_start"], &running["acknowledged"]), (&json!(1.5), &json!(true)));
        assert_eq!(
            running["delivery_info"],
            json!({"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": false})
        );
    }

    #[test]
    fn a_request_is_shown_under_its_shadow_and_with_what_it_was_published_to() {
        let (headers, mut message, queue) = call("i1");
        message.headers.insert("shadow".into(), "add for tenant 1".into());
        let published_to = ("shop", "news.sport");
        let call = (headers, message, queue);
        let tracked = Tracked::new(&Arrived { published_to, ..arrived(&call) });

        for info in [tracked.info("w1@h", false), tracked.unstarted().info("w1@h", false)] {
            assert_eq!((&info["name"], &info["type"]), (&json!("add for tenant 1"), &json!("add")));
            let delivery = &info["delivery_info"];
            assert_eq!(
                (&delivery["exchange"], &delivery["routing_key"]),
                (&json!("shop"), &json!("news.sport"))
            );
        }
    }

    #[test]
    fn the_arguments_of_a_sensitive_task_are_not_shown() {
        let call = call("i1");
        let tracked = Tracked::new(&Arrived { sensitive: true, ..arrived(&call) });

        let (safe, unsafe_) = (tracked.info("w1@h", true), tracked.info("w1@h", false));

        assert_eq!((&safe["args"], &safe["kwargs"]), (&json!("('***',)"), &json!("{'***': '***'}")));
        assert_eq!((&unsafe_["args"], &unsafe_["kwargs"]), (&json!(["***"]), &json!({"***": "***"})));
    }

    #[test]
    fn what_waits_is_listed_until_its_time_and_no_more_than_the_limit() {
        let tracker = Tracker::default();
        for number in 0..1_500_i64 {
            tracker.postpone(&arrived(&call(&number.to_string())), second(10_000 - number), second(0));
        }

        let listed = tracker.scheduled(second(9_000));

        assert_eq!(listed.first().unwrap().0, second(9_001));
        assert!(listed.len() <= 1_000 && listed.is_sorted_by_key(|(eta, _)| *eta));
        assert_eq!(tracker.scheduled(second(20_000)).len(), 0);
    }

    #[test]
    fn what_waits_with_long_arguments_is_listed_as_its_caller_shows_them_or_without_them() {
        let (tracker, long) = (Tracker::default(), "x".repeat(5_000));
        let listed = |argsrepr: Option<&str>| {
            let (headers, mut message, queue) = call("i1");
            message.body = format!(r#"[["{long}"], {{}}, {{}}]"#).into();
            match argsrepr {
                Some(shown) => message.headers.insert("argsrepr".into(), shown.into()),
                None => message.headers.remove("argsrepr"),
            };
            tracker.postpone(&arrived(&(headers, message, queue)), second(10), second(0));
            let (_, waiting) = tracker.scheduled(second(0)).pop().unwrap();
            let info = waiting.info("w1@h", false);
            assert_eq!(info["id"], "i1");
            (info["args"].clone(), info["kwargs"].clone())
        };

        assert_eq!(listed(Some("('xxx...',)")), (json!("('xxx...',)"), json!("{}")));
        assert_eq!(listed(None), (json!("('...',)"), json!("{'...': '...'}")));
        assert_eq!(listed(Some(&long)), (json!("('...',)"), json!("{'...': '...'}")));
    }

    #[tokio::test]
    async fn a_task_that_is_told_to_stop_before_or_while_it_waits_hears_it() {
        let (before, call) = (call("b"), call("c"));
        let (before, waiting) = (Tracked::new(&arrived(&before)), Arc::new(Tracked::new(&arrived(&call))));
        before.terminate(9);

        assert_eq!(before.terminated().await, 9);
        let told = Arc::clone(&waiting);
        let (signal, ()) = tokio::join!(waiting.terminated(), async move {
            tokio::task::yield_now().await;
            told.terminate(15);
        });
        assert_eq!(signal, 15);
        let quiet =
            Tracked::new(&Arrived { sensitive: true, ..arrived(&super::tests::call("q")) }).unstarted();
        assert!(tokio::time::timeout(Duration::from_millis(1), quiet.terminated()).await.is_err());
    }
}

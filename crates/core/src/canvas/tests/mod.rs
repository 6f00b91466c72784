//! What a workflow publishes, and what it comes to when something fails.

mod captured;

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::follow::{Failure, after_failure, after_success, check, chord_failed};
use super::wire::MAX_STEPS;
use super::*;
use crate::broker::message::Message;
use crate::celery::{Body, Embed, Request, fixtures};
use crate::routes::Routes;
use crate::task::KnownTasks;

/// What a dispatcher borrows.
struct Desk {
    routes: Routes,
    tasks: KnownTasks,
    ids: Box<dyn Fn() -> String + Send + Sync>,
}

impl Desk {
    fn new() -> Self {
        let next = AtomicUsize::new(0);
        let ids = move || format!("0000ffff-0000-4000-8000-{:012x}", next.fetch_add(1, Ordering::SeqCst));
        Self { routes: Routes::default(), tasks: KnownTasks::default(), ids: Box::new(ids) }
    }

    fn dispatcher<'a>(&'a self, parent: Option<Parent<'a>>, reply_to: &'a str) -> Dispatcher<'a> {
        Dispatcher {
            origin: "gen1@host",
            now: Timestamp::UNIX_EPOCH,
            parent,
            reply_to: Some(reply_to),
            routes: &self.routes,
            tasks: &self.tasks,
            ids: &*self.ids,
        }
    }
}

/// A captured message as it would arrive.
fn arriving(captured: &Value) -> Message {
    let mut captured = captured.clone();
    captured["body"] = captured["body"].to_string().into();
    fixtures::message(&captured)
}

#[test]
fn an_errback_of_a_chord_and_of_one_in_its_header_is_called_once_when_both_fail() {
    let desk = Desk::new();
    let errback =
        |task: &str| json!({"task": task, "args": [], "kwargs": {}, "options": {}, "immutable": true});
    let outer = json!({
        "task": "sum", "args": [], "kwargs": {},
        "options": {"task_id": "outer", "link_error": [errback("shared"), errback("of_outer")]},
    });
    let inner: Call = serde_json::from_value(json!({
        "task": "sum", "args": [], "kwargs": {},
        "options": {
            "task_id": "inner", "group_id": "header", "group_index": 1, "chord": outer,
            "link_error": [errback("of_inner"), errback("shared")],
        },
    }))
    .unwrap();
    let dispatcher = desk.dispatcher(None, "answers");
    let called = |failure: &Failure| -> Vec<String> {
        let name = |out: &Outgoing| out.message.header("task").unwrap().to_owned();
        failure.plan.outgoing.iter().map(name).collect()
    };

    let of_inner = chord_failed(&dispatcher, &inner).unwrap();
    let of_outer = chord_failed(&dispatcher, &of_inner.members[0].chord).unwrap();

    assert_eq!(
        (called(&of_inner), called(&of_outer)),
        (vec!["of_inner".to_owned(), "shared".to_owned()], vec!["of_outer".to_owned()])
    );
    assert_eq!((of_inner.failed, of_outer.failed), (vec!["inner".to_owned()], vec!["outer".to_owned()]));
}

#[test]
fn a_chain_of_as_many_steps_as_there_may_be_needs_no_deep_stack_and_one_more_is_refused() {
    let whole = || {
        let desk = Desk::new();
        let dispatcher = desk.dispatcher(None, "answers");
        let steps = |count| vec![Call::new("add").immutable(); count];
        let call = chain(steps(MAX_STEPS)).into_call().unwrap();

        let plan = dispatcher.plan(Canvas::try_from(call.clone()).unwrap());

        let body = Body::read(&plan.outgoing[0].message).unwrap();
        assert_eq!(body.embed.chain.len(), MAX_STEPS - 1);
        assert_eq!(plan.results[0].clone(), plan.results[0]);
        let parent = Parent { id: "0", root: "0" };
        let after = after_success(&desk.dispatcher(Some(parent), "answers"), &body.embed, &json!(1)).unwrap();
        assert_eq!(after.outgoing.len(), 1);
        let message = arriving(&json!({"properties": {}, "headers": {"id": "0"}, "body": "[[], {}, {}]"}));
        let failed = after_failure(&dispatcher, Request::of(&message), &body.embed).unwrap();
        assert_eq!(failed.failed.len(), MAX_STEPS - 1);
        let longer = chain(steps(MAX_STEPS + 1)).into_call().unwrap();
        assert_eq!(Canvas::try_from(longer), Err(CanvasError::TooLong));
        assert_eq!(
            check(&Embed { chain: steps(MAX_STEPS + 1), ..Embed::default() }),
            Err(CanvasError::TooLong)
        );
    };
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(whole).unwrap();
    worker.join().unwrap();
}

//! The task that stamps what takes its place.

use postrider_core::celery::Call;
use postrider_core::task::Registry;
use serde_json::{Value, json};

use crate::declare::{Services, call, task};

task!(ReplaceWithStamped = "t.integration.tasks.replace_with_stamped_task", {
    #[serde(default)] replace_with: Option<Call>,
} |task, _, context| {
    let with = task.replace_with.unwrap_or_else(|| call("replaced_with_me"));
    Err(context.replace(stamped(with)))
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry.register::<ReplaceWithStamped>()
}

/// What `sig.stamp(StampOnReplace())` does: one more stamp.
fn stamped(call: Call) -> Call {
    let mut names =
        call.options.get("stamped_headers").and_then(Value::as_array).cloned().unwrap_or_default();
    names.push(json!("StampOnReplace"));
    call.option("stamped_headers", names).option("StampOnReplace", "This is the replaced task")
}

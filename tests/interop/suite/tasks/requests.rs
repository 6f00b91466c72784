//! Tasks that tell what they know of their call.

use std::time::Duration;

use postrider_core::task::{Context, Registry};
use serde_json::{Map, Value, json};

use crate::declare::{Services, task};

task!(ReturnPriority = "t.integration.tasks.return_priority", *|_, _, context| {
    Ok(format!("Priority: {}", priority(context)).into())
});

task!(
    ReturnEta = "t.integration.tasks.return_request_eta",
    {} | _,
    _,
    context | { Ok(context.request().eta().into()) }
);

task!(
    ReturnProperties = "t.integration.tasks.return_properties",
    {} | _,
    _,
    context | {
        let properties = serde_json::to_value(&context.message().properties)?;
        let Value::Object(properties) = properties else { return Ok(properties) };
        Ok(properties.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into())
    }
);

task!(
    SoftMustExceed = "t.integration.tasks.soft_time_limit_must_exceed_time_limit",
    {} | _,
    _,
    _ | { Ok(Value::Null) }
);

task!(
    ReturnLimits = "t.integration.tasks.return_request_time_limits",
    {} | _,
    _,
    context | { Ok(limits(context, (None, None))) }
);

task!(
    DeclaredLimits = "t.integration.tasks.task_with_declared_time_limits",
    {} | _,
    _,
    context | { Ok(limits(context, super::seconds(60, 45))) }
);

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<ReturnPriority>()
        .register::<ReturnEta>()
        .register::<ReturnProperties>()
        .register::<SoftMustExceed>()
        .register::<ReturnLimits>()
        .register::<DeclaredLimits>()
}

/// The priority as Python shows it.
pub(super) fn priority(context: &Context) -> String {
    context.request().priority().map_or_else(|| "None".into(), |priority| priority.to_string())
}

/// The call's limits, and where it has none the task's.
fn limits(context: &Context, declared: (Option<Duration>, Option<Duration>)) -> Value {
    let (hard, soft) = context.request().time_limits();
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs());
    json!({"time_limit": seconds(hard.or(declared.0)), "soft_time_limit": seconds(soft.or(declared.1))})
}

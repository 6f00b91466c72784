//! Tasks that leave their mark in Redis, where the tests look, and the errbacks among them.
//!
//! An errback that Celery calls in the process of the failed task, with the request, the exception and the traceback,
//! is published here like any other: with the id of what failed.

use postrider_core::celery::Tagged;
use postrider_core::celery::repr::repr;
use postrider_core::task::Registry;
use serde_json::Value;

use crate::declare::{Services, raise, task};

task!(PrintUnicode = "t.integration.tasks.print_unicode", {
    #[serde(default = "log_message")] log_message: String,
    #[serde(default = "print_message")] print_message: String,
} |task, _, _| {
    tracing::warn!("{}", task.log_message);
    tracing::warn!("{}", task.print_message);
    Ok(Value::Null)
});

task!(RedisEcho = "t.integration.tasks.redis_echo", {
    message: Value,
    #[serde(default = "redis_echo")] redis_key: String,
} |task, services, _| {
    services.redis.push(&task.redis_key, &text(&task.message)).await?;
    Ok(Value::Null)
});

task!(RedisEchoGroupId = "t.integration.tasks.redis_echo_group_id", {
    _unused: Value,
    #[serde(default = "redis_group_ids")] redis_key: String,
} |task, services, context| {
    let Some(group) = context.request().group() else {
        return Err(raise("DataError", "Invalid input of type: 'NoneType'."));
    };
    services.redis.push(&task.redis_key, group).await?;
    Ok(Value::Null)
});

task!(RedisCount = "t.integration.tasks.redis_count", {
    #[serde(default = "redis_count")] redis_key: String,
} |task, services, _| {
    services.redis.count(&task.redis_key).await?;
    Ok(Value::Null)
});

task!(ErrbackOldStyle = "t.integration.tasks.errback_old_style", { request_id: String } |task, services, _| {
    services.redis.count(&task.request_id).await?;
    Ok(task.request_id.into())
});

task!(ErrbackNewStyle = "t.integration.tasks.errback_new_style", { request: String } |task, services, _| {
    services.redis.count(&task.request).await?;
    Ok(task.request.into())
});

task!(ErrbackOldStyleWithArgs = "t.integration.tasks.errback_old_style_with_args", {
    request_id: String,
    label: Value,
} |task, services, _| {
    services.redis.push(&task.request_id, &text(&task.label)).await?;
    Ok(Value::Null)
});

task!(ErrbackNewStyleWithArgs = "t.integration.tasks.errback_new_style_with_args", {
    request: String,
    label: Value,
} |task, services, _| {
    services.redis.push(&task.request, &text(&task.label)).await?;
    Ok(Value::Null)
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<PrintUnicode>()
        .register::<RedisEcho>()
        .register::<RedisEchoGroupId>()
        .register::<RedisCount>()
        .register::<ErrbackOldStyle>()
        .register::<ErrbackNewStyle>()
        .register::<ErrbackOldStyleWithArgs>()
        .register::<ErrbackNewStyleWithArgs>()
}

/// What a Python client writes of a value.
fn text(value: &Value) -> String {
    if let Some(Tagged::Bytes(bytes)) = Tagged::of(value) {
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

fn log_message() -> String {
    "håå®ƒ valmuefrø".into()
}

fn print_message() -> String {
    "hiöäüß".into()
}

fn redis_echo() -> String {
    "redis-echo".into()
}

fn redis_group_ids() -> String {
    "redis-group-ids".into()
}

fn redis_count() -> String {
    "redis-count".into()
}

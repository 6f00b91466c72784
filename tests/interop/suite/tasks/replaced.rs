//! Tasks that something else takes the place of.

use postrider_core::canvas::{Workflow, chain, group};
use postrider_core::celery::{Body, Call};
use postrider_core::task::{Context, Registry, TaskResult};
use serde_json::Value;

use crate::declare::{Services, call, positional, task};

task!(AddReplaced = "t.integration.tasks.add_replaced", { x: Value, y: Value } |task, _, context| {
    Err(context.replace(call("add").arg(task.x).arg(task.y)))
});

task!(RecordNesting = "t.integration.tasks.record_replaced_task_nesting", {
    replacements: u32,
    #[serde(default)] nesting: Option<Vec<u32>>,
} |task, _, context| {
    let mut nesting = task.nesting.unwrap_or_default();
    nesting.push(context.request().replaced_task_nesting());
    if task.replacements > 0 {
        let next = call("record_replaced_task_nesting").arg(task.replacements - 1).arg(nesting);
        return Err(context.replace(next));
    }
    Ok(nesting.into())
});

task!(AddReplacedWithChain = "t.integration.tasks.add_replaced_with_chain", {
    x: Value,
    y: Value,
} |task, _, context| {
    Err(context.replace(chain((call("add").arg(task.x).arg(task.y), call("identity")))))
});

task!(ReplaceWithChain = "t.integration.tasks.replace_with_chain", *|_, _, context| {
    let steps = chain((identity(context)?, call("identity")));
    Err(context.replace(steps.link(echo(context)?)))
});

task!(
    ReplaceWithChainWhichRaises = "t.integration.tasks.replace_with_chain_which_raises",
    *|_, _, context| {
        let steps = chain((identity(context)?, call("raise_error")));
        Err(context.replace(steps.link_error(echo(context)?)))
    }
);

task!(ReplaceWithEmptyChain = "t.integration.tasks.replace_with_empty_chain", *|_, _, context| {
    Err(context.replace(chain(Vec::<Call>::new())))
});

task!(
    ReplaceWithChainWithGroup = "t.integration.tasks.replace_with_chain_which_contains_a_group",
    {} | _,
    _,
    context | {
        let ones: Workflow = group([call("add").arg(1), call("add").arg(1)]);
        Err(context.replace(chain((call("add").arg(1).arg(2), ones))))
    }
);

task!(AddToAll = "t.integration.tasks.add_to_all", { nums: Vec<Value>, val: Value } |task, _, context| {
    let members: Vec<Call> =
        task.nums.into_iter().map(|num| call("add").arg(num).arg(task.val.clone())).collect();
    Err(context.replace(group(members)))
});

task!(SecondOrderReplace1 = "t.integration.tasks.second_order_replace1", {
    #[serde(default)] state: bool,
} |task, services, context| {
    if task.state {
        services.redis.push("redis-echo", "Out A").await?;
        return Ok(Value::Null);
    }
    services.redis.push("redis-echo", "In A").await?;
    let out = call("second_order_replace1").kwarg("state", true).immutable();
    Err(context.replace(chain((call("second_order_replace2"), out))))
});

task!(SecondOrderReplace2 = "t.integration.tasks.second_order_replace2", {
    #[serde(default)] state: bool,
} |task, services, context| {
    if task.state {
        services.redis.push("redis-echo", "Out B").await?;
        return Ok(Value::Null);
    }
    services.redis.push("redis-echo", "In B").await?;
    let out = call("second_order_replace2").kwarg("state", true).immutable();
    Err(context.replace(chain((call("redis_echo").arg("In/Out C"), out))))
});

task!(FailReplaced = "t.integration.tasks.fail_replaced", *|_, _, context| {
    let args = positional(context)?;
    Err(context.replace(Call { args, ..call("fail").immutable() }))
});

task!(ReplacedWithMe = "t.integration.tasks.replaced_with_me", {} | _, _, _ | { Ok(true.into()) });

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<AddReplaced>()
        .register::<RecordNesting>()
        .register::<AddReplacedWithChain>()
        .register::<ReplaceWithChain>()
        .register::<ReplaceWithChainWhichRaises>()
        .register::<ReplaceWithEmptyChain>()
        .register::<ReplaceWithChainWithGroup>()
        .register::<AddToAll>()
        .register::<SecondOrderReplace1>()
        .register::<SecondOrderReplace2>()
        .register::<FailReplaced>()
        .register::<ReplacedWithMe>()
}

/// The first step, with whatever the task was called with.
fn identity(context: &Context) -> TaskResult<Call> {
    Ok(Call { args: positional(context)?, ..call("identity") })
}

/// The link, which says `link_msg` where the call has one.
fn echo(context: &Context) -> TaskResult<Call> {
    let echo = call("redis_echo");
    let message = Body::read(context.message())?.arguments.kwargs.shift_remove("link_msg");
    Ok(match message.filter(|message| !message.is_null()) {
        Some(message) => echo.arg(message).immutable(),
        None => echo,
    })
}

//! Tasks that call others: chains, chords, and more members for the chord that they are in.

use postrider_core::canvas::{Workflow, chain, chord, group};
use postrider_core::celery::{Body, Call};
use postrider_core::task::{Context, Registry, TaskResult};
use serde_json::Value;

use crate::declare::{Services, call, raise, task};

task!(ChainAdd = "t.integration.tasks.chain_add", { x: Value, y: Value } |task, _, context| {
    context.enqueue(chain((add(&task.x, &task.x), call("add").arg(task.y)))).await?;
    Ok(Value::Null)
});

task!(ChordAdd = "t.integration.tasks.chord_add", { x: Value, y: Value } |task, _, context| {
    context.enqueue(chord([add(&task.x, &task.x)], call("add").arg(task.y))).await?;
    Ok(Value::Null)
});

task!(AddToAllToChord = "t.integration.tasks.add_to_all_to_chord", {
    nums: Vec<Value>,
    val: Value,
} |task, services, context| {
    for num in task.nums {
        add_to_chord(services, context, add(&num, &task.val)).await?;
    }
    Ok(0.into())
});

task!(AddChordToChord = "t.integration.tasks.add_chord_to_chord", {
    nums: Vec<Value>,
    val: Value,
} |task, services, context| {
    let members: Vec<Call> = task.nums.iter().map(|num| add(num, &task.val)).collect();
    let sum: Workflow = chain((group(members), call("tsum")));
    add_to_chord(services, context, sum.into_call()?).await?;
    Ok(0.into())
});

task!(
    BuildChainInsideTask = "t.integration.tasks.build_chain_inside_task",
    {} | _,
    _,
    context | {
        let middle = group([call("add").arg(3), call("add").arg(4)]);
        let steps = chain((call("add").arg(1).arg(1), call("add").arg(2), middle, call("add").arg(5)));
        Ok(serde_json::to_value(context.enqueue_whole(steps).await?)?)
    }
);

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<ChainAdd>()
        .register::<ChordAdd>()
        .register::<AddToAllToChord>()
        .register::<AddChordToChord>()
        .register::<BuildChainInsideTask>()
}

fn add(x: &Value, y: &Value) -> Call {
    call("add").arg(x.clone()).arg(y.clone())
}

/// Celery's `self.add_to_chord(sig)`.
async fn add_to_chord(services: &Services, context: &Context, call: Call) -> TaskResult<()> {
    let embed = Body::read(context.message())?.embed;
    let request = context.request();
    let (Some(chord), Some(group)) = (embed.chord, request.group()) else {
        return Err(raise("ValueError", "Current task is not member of any chord"));
    };
    let call = call
        .option("group_id", group)
        .option("group_index", request.group_index())
        .option("chord", Value::from(&*chord))
        .option("root_id", request.root_id());
    services.results.add_to_chord(group).await?;
    context.enqueue(call).await?;
    Ok(())
}

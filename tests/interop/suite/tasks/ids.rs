//! Tasks that tell where in a workflow they are.

use postrider_core::task::{Context, Registry};
use serde_json::{Value, json};

use crate::declare::{Services, task};

task!(Ids = "t.integration.tasks.ids", { i: Value } |task, _, context| { Ok(place(context, &task.i)) });

task!(CollectIds = "t.integration.tasks.collect_ids", { res: Value, i: Value } |task, _, context| {
    Ok(json!([task.res, place(context, &task.i)]))
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry.register::<Ids>().register::<CollectIds>()
}

fn place(context: &Context, argument: &Value) -> Value {
    let request = context.request();
    json!([request.root_id(), request.parent_id(), argument])
}

//! Tasks that return signatures, and the one that reads what they returned.

use postrider_core::canvas::{Canvas, Step, Workflow, chain, chord, group};
use postrider_core::celery::Call;
use postrider_core::task::{Registry, TaskResult};
use serde_json::Value;

use crate::declare::{Services, call, task};

task!(
    ChainChain = "t.integration.tasks.return_nested_signature_chain_chain",
    {} | _,
    _,
    _ | { returned(chain([chain([add()])])) }
);

task!(
    ChainGroup = "t.integration.tasks.return_nested_signature_chain_group",
    {} | _,
    _,
    _ | { returned(chain([group([add()])])) }
);

task!(
    ChainChord = "t.integration.tasks.return_nested_signature_chain_chord",
    {} | _,
    _,
    _ | { returned(chain([chord([add()], add())])) }
);

task!(
    GroupChain = "t.integration.tasks.return_nested_signature_group_chain",
    {} | _,
    _,
    _ | { returned(group([chain([add()])])) }
);

task!(
    GroupGroup = "t.integration.tasks.return_nested_signature_group_group",
    {} | _,
    _,
    _ | { returned(group([group([add()])])) }
);

task!(
    GroupChord = "t.integration.tasks.return_nested_signature_group_chord",
    {} | _,
    _,
    _ | { returned(group([chord([add()], add())])) }
);

task!(
    ChordChain = "t.integration.tasks.return_nested_signature_chord_chain",
    {} | _,
    _,
    _ | { returned(chord([chain([add()])], add())) }
);

task!(
    ChordGroup = "t.integration.tasks.return_nested_signature_chord_group",
    {} | _,
    _,
    _ | { returned(chord(group([add()]), add())) }
);

task!(
    ChordChord = "t.integration.tasks.return_nested_signature_chord_chord",
    {} | _,
    _,
    _ | { returned(chord([chord([add()], add())], add())) }
);

task!(RebuildSignature = "t.integration.tasks.rebuild_signature", { sig_dict: Call } |task, _, _| {
    // Reading it takes all of it apart, and fails where something in it is no signature.
    Canvas::try_from(task.sig_dict)?;
    Ok(Value::Null)
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<ChainChain>()
        .register::<ChainGroup>()
        .register::<ChainChord>()
        .register::<GroupChain>()
        .register::<GroupGroup>()
        .register::<GroupChord>()
        .register::<ChordChain>()
        .register::<ChordGroup>()
        .register::<ChordChord>()
        .register::<RebuildSignature>()
}

fn add() -> Call {
    call("add")
}

fn returned(workflow: Workflow) -> TaskResult<Value> {
    Ok(workflow.into_workflow().into_call()?.into())
}

//! Tasks that fail, or refuse their messages.

use postrider_core::broker::message::Properties;
use postrider_core::celery::Exception;
use postrider_core::clock::Clock;
use postrider_core::results::Meta;
use postrider_core::task::{Reason, Registry, TaskError};
use serde_json::{Value, json};

use crate::declare::{Services, positional, raise, raise_own, task};

task!(RaiseError = "t.integration.tasks.raise_error", *|_, _, _| {
    Err(raise("ValueError", "deliberate error"))
});

task!(ReturnException = "t.integration.tasks.return_exception", { e: Value } |task, _, _| {
    Ok(json!([task.e, true]))
});

task!(FailUnpickleable = "t.integration.tasks.fail_unpickleable", { foo: Value, bar: Value } |task, _, _| {
    let _ = task.bar;
    Err(raise_own("UnpickleableException", vec![task.foo]))
});

task!(
    StoreSuccessThenReject = "t.integration.tasks.store_success_then_reject",
    {} | _,
    services,
    context | {
        if context.redelivered {
            return Ok("dedup-pass".into());
        }
        let meta = Meta::success(context.id.as_str(), "first-pass".into(), Clock::System.now());
        services.results.store(&meta, &Properties::default()).await?;
        Err(TaskError::reject("rejected", "rejected", true))
    }
);

task!(
    RejectThenSucceed = "t.integration.tasks.reject_then_succeed",
    {} | _,
    _,
    context | {
        if context.redelivered {
            Ok("second-pass".into())
        } else {
            Err(TaskError::reject("rejected", "rejected", true))
        }
    }
);

task!(
    RejectWithoutRequeue = "t.integration.tasks.reject_without_requeue",
    {} | _,
    _,
    _ | {
        let reason = Reason::new("rejected", "rejected").with(Exception::reject("rejected", false));
        Err(TaskError::Reject { reason, requeue: false })
    }
);

task!(Fail = "t.integration.tasks.fail", *|_, _, context| {
    let args = [vec!["Task expected to fail".into()], positional(context)?].concat();
    Err(raise_own("ExpectedException", args))
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<RaiseError>()
        .register::<ReturnException>()
        .register::<FailUnpickleable>()
        .register::<StoreSuccessThenReject>()
        .register::<RejectThenSucceed>()
        .register::<RejectWithoutRequeue>()
        .register::<Fail>()
}

//! A handful of tasks, each of which does one thing that a task can do.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use postrider_core::{
    canvas::Step,
    celery::{Call, Exception},
    task::{
        AutoRetry, Compute, ComputeBlocking, Context, Registry, Retry, RetryPolicy, Run, Task, TaskError,
        TaskResult,
    },
};
use postrider_tests::gate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rig::QUEUE;

/// What the tasks share.
#[derive(Default)]
pub(crate) struct Services {
    /// How many runs there were of [`Count`] and of those that count themselves.
    pub(crate) runs: AtomicU32,
    /// What [`Gate`] waits at, and those that say how far they have come.
    pub(crate) gate: gate::Gate,
}

/// All of them.
pub(crate) fn registry() -> Registry<Services> {
    Registry::new()
        .register::<Add>()
        .register::<Sum>()
        .register::<Count>()
        .register::<Raise>()
        .register::<Flaky>()
        .register::<AskAgain>()
        .register::<Progress>()
        .register::<Later>()
        .register::<Noop>()
        .register::<End>()
        .register::<Parent>()
        .register::<Delegate>()
        .register::<Turn>()
        .register::<Hold>()
        .register::<Gate>()
        .register_blocking::<Block>()
        .register_blocking::<Stages>()
}

macro_rules! task {
    ($(#[$doc:meta])* $name:ident($task:literal) { $($field:ident: $kind:ty),* } $({ $($options:tt)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) struct $name { $(pub(crate) $field: $kind),* }

        impl Task for $name {
            const NAME: &'static str = $task;
            const QUEUE: &'static str = QUEUE;
            $($($options)*)?
        }
    };
}

task!(Add("add") { x: i64, y: i64 });
task!(Sum("sum") { numbers: Vec<i64> });
task!(
    /// Counts its runs, whatever it is given.
    Count("count") {}
    { const IGNORE_RESULT: bool = true; }
);
task!(Raise("raise") { text: String });
task!(
    /// Fails twice with an error that it does not judge.
    Flaky("flaky") {}
    {
        const RETRY: RetryPolicy = RetryPolicy::flat(Duration::ZERO).max_retries(2);
        const AUTORETRY: AutoRetry = AutoRetry::Only(&["ParseIntError"]);
    }
);
task!(
    /// Asks to be tried again, for ever.
    AskAgain("ask_again") { max_retries: u32 }
);
task!(
    /// Says how far it has come, and waits until it may go on.
    Progress("progress") { percent: u32 }
);
task!(
    /// The same on a thread of its own, and says so once more when it goes on.
    Stages("stages") { percent: u32 }
);
task!(
    /// Asks to be tried again in a while, without a reason.
    Later("later") {}
);
task!(End("end") { how: String });
/// Takes a list of anything, and does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noop(Vec<Value>);

impl Task for Noop {
    const NAME: &'static str = "noop";
}

impl Run<Services> for Noop {
    async fn run(self, _services: &Services, _context: &Context) -> TaskResult {
        Ok(())
    }
}

task!(Parent("parent") {});
task!(
    /// Enqueues the signature that it is given.
    Delegate("delegate") { to: Call }
);
task!(
    /// Is replaced with the signature that it is given.
    Turn("turn") { into: Call }
);
task!(
    /// Waits for ever; `listens` says whether it looks at its soft limit.
    Hold("hold") { listens: bool }
    { const SOFT_TIME_LIMIT: Option<Duration> = Some(Duration::from_millis(50)); }
);
task!(
    /// Waits until it may go on, acknowledged before.
    Gate("gate") {}
    { const ACKS_LATE: bool = false; }
);
task!(
    /// Blocks its thread until its soft limit has passed, or beyond it.
    Block("block") { stubborn: bool }
    { const ACKS_LATE: bool = true; }
);

impl Compute<Services> for Add {
    type Output = i64;

    async fn compute(self, _services: &Services, _context: &Context) -> TaskResult<i64> {
        Ok(self.x.saturating_add(self.y))
    }
}

impl Compute<Services> for Sum {
    type Output = i64;

    async fn compute(self, _services: &Services, _context: &Context) -> TaskResult<i64> {
        Ok(self.numbers.iter().fold(0, |sum, number| sum.saturating_add(*number)))
    }
}

impl Run<Services> for Count {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.runs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Run<Services> for Raise {
    async fn run(self, _services: &Services, _context: &Context) -> TaskResult {
        Err(TaskError::raise(Exception::builtin("ValueError", self.text)))
    }
}

impl Compute<Services> for Flaky {
    type Output = u32;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<u32> {
        let text = if context.retries < 2 { "two" } else { "2" };
        Ok(text.parse()?)
    }
}

impl Run<Services> for AskAgain {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.runs.fetch_add(1, Ordering::SeqCst);
        Err(Retry::after(Duration::ZERO).max_retries(self.max_retries).into())
    }
}

impl Run<Services> for Progress {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        context.update_state("PROGRESS", self.percent).await?;
        services.gate.pass().await;
        Ok(())
    }
}

impl Run<Services> for Later {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        if context.retries > 0 {
            services.gate.pass().await;
            return Ok(());
        }
        Err(Retry::after(Duration::ZERO).into())
    }
}

impl Run<Services> for End {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        let run = services.runs.fetch_add(1, Ordering::SeqCst);
        match self.how.as_str() {
            "ignore" => Err(TaskError::Ignore),
            "panic" => panic!("on purpose"),
            "reject" => Err(TaskError::reject("unfit", "it does not fit", false)),
            "once" if run == 0 => Err(TaskError::reject("later", "another worker may have more luck", true)),
            "unknown" => Err(TaskError::Unknown(postrider_core::task::Reason::new("maybe", "who knows"))),
            _ => {
                assert_eq!(context.hostname(), "w1@test");
                Ok(())
            }
        }
    }
}

impl Compute<Services> for Parent {
    type Output = String;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<String> {
        Ok(context.enqueue(Add { x: 20, y: 3 }).await?)
    }
}

impl Run<Services> for Delegate {
    async fn run(self, _services: &Services, context: &Context) -> TaskResult {
        context.enqueue(self.to).await?;
        Ok(())
    }
}

impl Run<Services> for Turn {
    async fn run(self, _services: &Services, context: &Context) -> TaskResult {
        Err(context.replace(self.into.into_workflow()))
    }
}

impl Compute<Services> for Hold {
    type Output = &'static str;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<&'static str> {
        if self.listens {
            context.soft_limit().await;
            return Ok("tidied up");
        }
        std::future::pending().await
    }
}

impl Run<Services> for Gate {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.gate.pass().await;
        Ok(())
    }
}

impl ComputeBlocking<Services> for Block {
    type Output = &'static str;

    fn compute_blocking(self, services: &Services, context: &Context) -> TaskResult<&'static str> {
        services.gate.begin();
        while !context.soft_limit_has_passed() || self.stubborn && services.runs.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        Ok("returned")
    }
}

impl ComputeBlocking<Services> for Stages {
    type Output = ();

    fn compute_blocking(self, services: &Services, context: &Context) -> TaskResult<()> {
        context.update_state_blocking("PROGRESS", self.percent)?;
        services.gate.pass_blocking();
        let told = context.update_state_blocking("PROGRESS", 100);
        services.gate.begin();
        told
    }
}

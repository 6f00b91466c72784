//! The run of a blocking task: it waits for a thread, and may have to go back before it has one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use postrider_core::broker::message::Message;
use postrider_core::results::ResultTree;
use postrider_core::task::{BlockingJob, Context, TaskError};
use tokio::time::sleep;

use crate::attempt::Ready;
use crate::blocking::NoEnd;
use crate::execute::Executor;
use crate::guard::{Guard, Ran};

/// How long a task waits in the broker when the system gives no thread for it.
const NO_THREAD_WAIT: Duration = Duration::from_secs(10);

impl<S: Send + Sync + 'static> Executor<S> {
    /// Runs a blocking job on a thread for such.
    pub(crate) async fn on_thread(
        &self,
        guard: &Guard<'_>,
        job: BlockingJob<S>,
        context: Context,
        mut ready: Ready<'_, S>,
    ) -> (Ran, Message, Vec<ResultTree>) {
        let ended = |ran: Ran, context: Context| {
            let (message, children) = context.into_parts();
            (ran, message, children)
        };
        let seat = tokio::select! {
            biased;
            // What has not begun at a stop is left to another worker.
            () = self.shutdown.soft().cancelled() => {
                return ended(Ran::Ended(Err(TaskError::Interrupted)), context);
            }
            seat = self.threads.seat() => seat,
            signal = guard.terminated() => return ended(Ran::Terminated(signal), context),
            // To the end of the queue, long before the broker takes it back.
            () = sleep(self.limits.longest_wait()) => {
                return ended(Ran::Ended(Err(TaskError::Snooze(Duration::ZERO))), context);
            }
        };
        let expired = match self.starts(guard, &context, &mut ready).await {
            Ok(expired) => expired,
            Err(ran) => return ended(ran, context),
        };
        *ready.begun = Instant::now();
        let context = Arc::new(context);
        let (services, shared) = (Arc::clone(&self.services), Arc::clone(&context));
        let running = seat
            .run(move || if expired { job.expire(&services, &shared) } else { job.run(&services, &shared) });
        let run = running.map(|ended| match ended {
            Ok(result) => result,
            Err(NoEnd::Panicked) => Err(TaskError::fail("panic", "the task panicked; the log says where")),
            Err(NoEnd::NotStarted) => Err(TaskError::Snooze(NO_THREAD_WAIT)),
        });
        let ran = guard.watch(&context, run, || self.time_limits(ready.task, context.message())).await;
        match Arc::try_unwrap(context) {
            Ok(context) => ended(ran, context),
            // The thread was given up and still has it.
            Err(shared) => {
                shared.end();
                (ran, shared.message().clone(), shared.children())
            }
        }
    }
}

//! Says task events in batches, as they come and as many as fit.

use std::time::Duration;

use postrider_core::broker::Announcer;
use postrider_core::celery::event::{BATCH, TASK_BATCH, batch};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::Events;

/// How long a batch that is not full waits for more. Tools show events a second later anyway.
const TICK: Duration = Duration::from_millis(10);

/// Says events until it is told to stop, and then what is left of them.
pub(crate) async fn pump(
    events: Events,
    mut waiting: Receiver<String>,
    announcer: Announcer,
    exchange: String,
    stop: CancellationToken,
) {
    let mut events_said = Vec::with_capacity(BATCH);
    let say = |said: &mut Vec<String>| {
        if said.is_empty() {
            return;
        }
        if !announcer.announce_batch(&exchange, TASK_BATCH, batch(&events.0.speaker, said)) {
            metrics::counter!("postrider_events_dropped_total").increment(said.len() as u64);
        }
        said.clear();
    };
    while let Some(first) = stop.run_until_cancelled(waiting.recv()).await {
        let Some(first) = first else { return };
        events_said.push(first);
        let more = async {
            while events_said.len() < BATCH {
                let room = BATCH - events_said.len();
                if waiting.recv_many(&mut events_said, room).await == 0 {
                    break;
                }
            }
        };
        // What was taken out when the time is over is in the batch.
        tokio::time::timeout(TICK, more).await.ok();
        say(&mut events_said);
    }
    while let Ok(event) = waiting.try_recv() {
        events_said.push(event);
        if events_said.len() == BATCH {
            say(&mut events_said);
        }
    }
    say(&mut events_said);
}

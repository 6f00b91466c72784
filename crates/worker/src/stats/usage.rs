//! What the process has used, as `getrusage` tells it.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde_json::{Value, json};

/// The resources that this process has used, with Celery's names.
pub(crate) fn usage() -> Value {
    getrusage(UsageWho::RUSAGE_SELF).map_or("N/A".into(), |usage| shown(&usage))
}

fn shown(usage: &Usage) -> Value {
    json!({
        "utime": seconds(usage.user_time()),
        "stime": seconds(usage.system_time()),
        "maxrss": usage.max_rss(),
        "ixrss": usage.shared_integral(),
        "idrss": usage.unshared_data_integral(),
        "isrss": usage.unshared_stack_integral(),
        "minflt": usage.minor_page_faults(),
        "majflt": usage.major_page_faults(),
        "nswap": usage.full_swaps(),
        "inblock": usage.block_reads(),
        "oublock": usage.block_writes(),
        "msgsnd": usage.ipc_sends(),
        "msgrcv": usage.ipc_receives(),
        "nsignals": usage.signals(),
        "nvcsw": usage.voluntary_context_switches(),
        "nivcsw": usage.involuntary_context_switches(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of work are far below 2^52")]
fn seconds(time: TimeVal) -> f64 {
    time.num_microseconds() as f64 / 1_000_000.0
}

//! The send record: who may send, and what became of it.

mod closing;
mod end_of_life;
mod notes;
mod turns;

use std::time::Duration;

use postrider_core::clock::from_millis;
use postrider_delivery::send_record::{Claim, Claimed, SendRecords, Turn};

use crate::rig::Rig;

const LIFE: i64 = 300_000;
const LEASE: Duration = Duration::from_secs(15);
const LEASE_MS: i64 = 15_000;

/// A task whose code lives for five minutes from now; a call of unknown outcome is not made again.
fn claim(rig: &Rig, task: &str) -> Claim {
    Claim {
        task: task.into(),
        not_after: Some(from_millis(rig.clock.now_ms() + LIFE)),
        window: Duration::from_secs(1),
        resend: false,
        replays: 0,
        lease: LEASE,
    }
}

async fn granted(records: &SendRecords, claim: &Claim) -> Turn {
    match records.claim(claim).await.unwrap() {
        Claimed::Granted(turn) => turn,
        other => panic!("expected a turn, got {other:?}"),
    }
}

/// A turn that never ends, for so long that a claim that may send again takes it over.
async fn abandoned(rig: &Rig, records: &SendRecords, claim: &Claim) -> Turn {
    let turn = granted(records, claim).await;
    rig.pass(LEASE_MS);
    turn
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}

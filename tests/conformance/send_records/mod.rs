//! The send record: who may send, and what became of it.

mod closing;
mod end_of_life;
mod turns;

use std::time::Duration;

use postrider_core::clock::{from_millis, millis};
use postrider_delivery::send_record::{Begun, CLAIM_LEASE, Claim, Claimed, SendRecords, Turn};

use crate::rig::Rig;

const LIFE: i64 = 300_000;
const LEASE: Duration = Duration::from_secs(30);
const LEASE_MS: i64 = 30_000;

/// A task whose code lives for five minutes from now; a call of unknown outcome is not made again.
fn claim(rig: &Rig, task: &str) -> Claim {
    Claim {
        task: task.into(),
        not_after: Some(from_millis(rig.clock.now_ms() + LIFE)),
        window: Duration::from_secs(1),
        resend: false,
        replays: 0,
    }
}

async fn granted(records: &SendRecords, claim: &Claim) -> Turn {
    match records.claim(claim).await.unwrap() {
        Claimed::Granted(turn) => turn,
        other => panic!("expected a turn, got {other:?}"),
    }
}

/// A turn that never begins, for so long that the next claim takes it over.
async fn abandoned(rig: &Rig, records: &SendRecords, claim: &Claim) -> Turn {
    let turn = granted(records, claim).await;
    rig.pass(millis(CLAIM_LEASE));
    turn
}

/// A turn whose provider call has begun.
async fn begun(records: &SendRecords, claim: &Claim) -> Turn {
    let turn = granted(records, claim).await;
    let Begun::Yes(_) = records.begin(&turn, LEASE).await.unwrap() else { panic!("it is not this turn's") };
    turn
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}

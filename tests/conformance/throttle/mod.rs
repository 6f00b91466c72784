//! The throttle: exact rolling windows, taken all or none and given back once.

mod many;
mod release;
mod windows;

use std::time::Duration;

use postrider_core::throttle::{Asker, Decision, DeniedBy, Grant, Limits, Throttle, Window};

use crate::rig::Rig;

pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The windows of a number as they are by default: a gap, an hour and a day.
const DEFAULT: [(i64, u32); 3] = [(MINUTE, 1), (HOUR, 5), (DAY, 10)];

/// Limits from windows in ms.
pub(crate) fn limits(number: &[(i64, u32)], ip: &[(i64, u32)]) -> Limits {
    let windows = |list: &[(i64, u32)]| {
        list.iter().map(|(window, max)| Window { window: ms(*window), max: *max }).collect()
    };
    Limits { number: windows(number), ip: windows(ip) }
}

/// A number alone: its address is not known.
pub(crate) fn number(hash: &str) -> Asker {
    Asker { number: vec![hash.into()], ip: Vec::new() }
}

pub(crate) fn number_at(hash: &str, ip: &str) -> Asker {
    Asker { number: vec![hash.into()], ip: vec![ip.into()] }
}

/// A number known under several keys, the writing one first.
fn rotated(hashes: &[&str]) -> Asker {
    Asker { number: hashes.iter().map(|hash| (*hash).to_owned()).collect(), ip: Vec::new() }
}

async fn granted(throttle: &Throttle, asker: Asker) -> Grant {
    match throttle.acquire(asker).await.unwrap() {
        Decision::Granted(grant) => grant,
        denied @ Decision::Denied { .. } => panic!("expected a grant, got {denied:?}"),
    }
}

async fn denied(throttle: &Throttle, asker: Asker) -> (DeniedBy, i64) {
    match throttle.acquire(asker).await.unwrap() {
        Decision::Denied { by, retry_after } => (by, i64::try_from(retry_after.as_millis()).unwrap()),
        granted @ Decision::Granted(_) => panic!("expected a denial, got {granted:?}"),
    }
}

/// Sends to a number at these offsets from now, and stands at the last one.
async fn send_at(rig: &Rig, throttle: &Throttle, asker: &Asker, offsets: &[i64]) -> Vec<Grant> {
    let (start, mut grants) = (rig.clock.now_ms(), Vec::new());
    for offset in offsets {
        rig.pass(start + offset - rig.clock.now_ms());
        grants.push(granted(throttle, asker.clone()).await);
    }
    grants
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap())
}

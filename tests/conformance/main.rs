//! The memory adapters and the Redis scripts, held against one suite.
//!
//! Each case runs on both. What only Redis has (keys, values, lost scripts) stands in `redis_records`; `schedules` plays
//! random operations on both at the same instants and compares every answer. Time is a manual clock throughout.

#![expect(clippy::unwrap_used, reason = "tests; clippy knows only functions marked #[test] as such")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "a case is a closure at the end of a call, which reads best by value"
)]

mod captchas;
mod codes;
mod issuance;
mod redis_records;
mod results;
mod retention;
mod rig;
mod schedules;
mod send_records;
mod throttle;

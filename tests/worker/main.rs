//! The worker through AMQP and its command line: the real binary on the shared servers, and a provider double.

mod acks;
mod celery_messages;
mod cli;
mod codes;
mod config;
mod control;
mod dead_letters;
mod dead_limits;
mod drain;
mod duplicates;
mod eta;
mod examples;
mod expiry;
mod foreign_queue;
mod keys;
mod library;
mod lost_connection;
mod odd_messages;
mod pool;
mod queues;
mod redis_policy;
mod retries;
mod shared_queue;
mod signals;
mod tasks;
mod topology;
mod unknown_outcome;
mod versions;

use std::time::Duration;

use postrider_core::{celery::format_instant, clock::Clock};
use postrider_tests::celery::text;

/// Far above what an answer takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

/// An instant from now on, as the header `expires` holds it.
fn in_time(from_now: Duration) -> lapin::types::AMQPValue {
    text(&format_instant(Clock::System.now().checked_add(from_now).expect("not the end of time")))
}

/// An id that no other test has.
fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

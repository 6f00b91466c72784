//! Hearing of results on Redis' channels, on a connection of its own.

mod redis;

pub(super) use redis::start;

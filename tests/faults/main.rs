//! Servers and workers that are stopped, killed, frozen and started again. Each test starts servers of its own.

mod answers;
mod canary;
mod canary_shop;
mod far_ahead;
mod fresh_broker;
mod killed_workers;
mod mixed_kills;
mod refused_queue;
mod restarts;
mod unconfirmed;

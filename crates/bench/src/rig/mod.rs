//! What the cases measure with: queues, processes, HTTP load, a provider.

pub(crate) mod asks;
pub(crate) mod broker;
pub(crate) mod contenders;
pub(crate) mod drain;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod noop;
pub(crate) mod pace;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod queue;
pub(crate) mod redis;
pub(crate) mod sms;

//! Sends codes: the providers, the send record that keeps a task from sending twice, and the handlers of the SMS tasks.
//!
//! The worker engine runs the handlers; nothing here knows how a message was consumed.

pub mod handlers;
pub mod providers;
pub mod send;
pub mod send_record;

//! The payloads of the SMS tasks: what the producer enqueues and the worker runs.

mod ccp_send_sms_code;
mod send_code;

pub use ccp_send_sms_code::CcpSendSmsCode;
pub use send_code::{SealedCode, SendCode};

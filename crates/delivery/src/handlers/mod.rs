//! How the SMS tasks are run.

mod ccp_send_sms_code;
mod send_code;

use postrider_core::task::Registry;
use postrider_core::tasks::{CcpSendSmsCode, SendCode};

use crate::send::Services;

/// The registry of the SMS worker.
pub fn registry() -> Registry<Services> {
    Registry::new().register::<SendCode>().register::<CcpSendSmsCode>()
}

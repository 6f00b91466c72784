//! How the SMS tasks are run.

mod ccp_send_sms_code;
mod send_code;

use postrider_core::task::{Registry, RetryPolicy};
use postrider_core::tasks::{CcpSendSmsCode, SendCode};
use serde::{Deserialize, Serialize};

use crate::send::Services;

/// How long `ccp_send_sms_code` waits before another try.
///
/// The tutorial writes `retry_backoff=3` and says that its task waits 3, 6 and 12 seconds. Celery heeds `retry_backoff`
/// only together with `autoretry_for`, which the tutorial does not write: a real worker waits three minutes, three times,
/// and a code that is asked for again after nine minutes is of no use to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryDelays {
    /// 3, 6 and 12 seconds, as the tutorial says.
    #[default]
    Intended,
    /// 180 seconds each time, as Celery does.
    Compat,
}

/// The registry of the SMS worker.
pub fn registry() -> Registry<Services> {
    Registry::new().register::<SendCode>().register::<CcpSendSmsCode>()
}

/// The same with the waits that were chosen for the tutorial's task.
pub fn registry_with(delays: RetryDelays) -> Registry<Services> {
    match delays {
        RetryDelays::Intended => registry(),
        RetryDelays::Compat => {
            registry().configure::<CcpSendSmsCode>(|options| options.retry = RetryPolicy::celery())
        }
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::task::Task as _;

    use super::*;

    #[test]
    fn the_tutorials_task_waits_as_it_says_or_as_celery_does() {
        let waits = |delays| {
            let registry = registry_with(delays);
            let policy = registry.get(CcpSendSmsCode::NAME).unwrap().retry();
            [0, 1, 2].map(|retries| policy.asked_delay(retries, None).as_secs())
        };

        assert_eq!(waits(RetryDelays::Intended), [3, 6, 12]);
        assert_eq!(waits(RetryDelays::Compat), [180, 180, 180]);
    }
}

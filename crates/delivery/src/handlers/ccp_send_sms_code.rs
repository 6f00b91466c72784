//! Runs `ccp_send_sms_code(mobile, sms_code)` as the tutorial's worker does: 0 when it was sent, -1 when it was not.
//!
//! -1 is the end for what no retry and no operator can help: a number or a text that the provider refuses, and an
//! unknown outcome. A failing account or template goes to the dead-letter queue, so that it can be replayed.

use postrider_core::code::Code;
use postrider_core::phone::{PhoneCheck, PhoneNumber, PhonePolicy, Region};
use postrider_core::task::{Compute, Context, TaskError, TaskResult};
use postrider_core::tasks::CcpSendSmsCode;
use postrider_core::verification::{DeliveryState, VerificationId};

use crate::send::{Services, Sms, concerns_recipient};

const SENT: i32 = 0;
const REFUSED: i32 = -1;

impl Compute<Services> for CcpSendSmsCode {
    type Output = i32;

    async fn compute(self, services: &Services, context: &Context) -> TaskResult<i32> {
        // The shop has decided that it wants to send there; only what is no number at all is refused.
        let policy = PhonePolicy { check: PhoneCheck::Possible, ..PhonePolicy::default() };
        let (to, code) = match (
            PhoneNumber::parse(&self.mobile, Some(Region::CN), &policy),
            Code::from_shop(&self.sms_code),
        ) {
            (Ok(to), Ok(code)) => (to, code),
            (Err(error), _) => return Ok(refused(context, &error)),
            (_, Err(error)) => return Ok(refused(context, &error)),
        };
        let sms = Sms {
            to,
            code,
            purpose: "default".into(),
            not_after: context.expires,
            life: services.policy.window,
            verification: verification(context),
        };
        match services.send(sms, context).await {
            Ok(()) => Ok(SENT),
            Err(TaskError::Fail(reason)) if concerns_recipient(&reason.code) => Ok(refused(context, &reason)),
            Err(TaskError::Unknown(reason)) => {
                tracing::error!(task.id = %context.id, %reason, "the SMS may or may not have been sent");
                Ok(REFUSED)
            }
            Err(error) => Err(error),
        }
    }

    async fn expired(self, services: &Services, context: &Context) {
        if let Some(id) = verification(context) {
            services.write_back(&id, DeliveryState::Expired).await;
        }
    }
}

/// A call that our producer made has its verification's id; of any other id the store knows nothing.
fn verification(context: &Context) -> Option<VerificationId> {
    VerificationId::of_task(&context.id)
}

fn refused(context: &Context, why: &dyn std::fmt::Display) -> i32 {
    tracing::error!(task.id = %context.id, reason = %why, "the SMS was not sent and will not be");
    REFUSED
}

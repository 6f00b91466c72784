//! Runs `sms.send_code`: opens the seal, sends.

use std::time::Duration;

use postrider_core::seal::OpenError;
use postrider_core::task::{Context, Reason, Run, TaskError, TaskResult};
use postrider_core::tasks::SendCode;
use postrider_core::verification::DeliveryState;

use crate::send::{Services, Sms};

/// How long a task waits for a worker that holds its key.
const KEY_WAIT: Duration = Duration::from_secs(10);

impl Run<Services> for SendCode {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        let sealed = match self.open(&services.keys) {
            Ok(sealed) => sealed,
            // In the middle of a key rotation another worker may hold it; the code's end of life bounds the wait.
            Err(OpenError::UnknownKey(_)) if self.not_after <= context.now => {
                services.write_back(&self.verification, DeliveryState::Expired).await;
                return Err(TaskError::Expired);
            }
            Err(error @ OpenError::UnknownKey(_)) => {
                tracing::error!(task.id = %context.id, %error, "this worker cannot open a task: give it the key");
                return Err(TaskError::Snooze(KEY_WAIT));
            }
            Err(error @ OpenError::Damaged) => {
                return Err(unsendable(&self, error.to_string(), services).await);
            }
        };
        let code = match sealed.code() {
            Ok(code) => code,
            Err(error) => return Err(unsendable(&self, error.to_string(), services).await),
        };
        let sms = Sms {
            to: sealed.to,
            code,
            purpose: self.purpose,
            not_after: Some(self.not_after),
            life: self.life,
            verification: Some(self.verification),
        };
        services.send(sms, context).await
    }

    async fn expired(self, services: &Services, _context: &Context) {
        services.write_back(&self.verification, DeliveryState::Expired).await;
    }
}

/// What cannot be opened cannot be sent.
async fn unsendable(task: &SendCode, detail: String, services: &Services) -> TaskError {
    services.write_back(&task.verification, DeliveryState::Failed).await;
    TaskError::Fail(Reason { not_after: Some(task.not_after), ..Reason::new("unsealable", detail) })
}

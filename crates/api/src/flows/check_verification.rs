//! Compares a guess with the code of a verification. A right one is good once; each guess counts before it is compared.

use std::net::IpAddr;
use std::sync::Arc;

use postrider_core::code::Code;
use postrider_core::codes::Verdict;
use postrider_core::throttle::{Asker, Decision};
use postrider_core::verification::{Verification, VerificationId};

use super::code_parts;
use crate::auth::App;
use crate::client_ip;
use crate::error::ApiError;
use crate::services::Services;

/// A guess at the code of a verification.
#[derive(Debug)]
pub(crate) struct CheckVerification {
    pub(crate) app: Arc<App>,
    pub(crate) id: VerificationId,
    pub(crate) code: Code,
    /// The address of a caller without a key.
    pub(crate) ip: Option<IpAddr>,
}

/// See the module.
pub(crate) async fn check_verification(
    services: Arc<Services>,
    request: CheckVerification,
) -> Result<Verification, ApiError> {
    let CheckVerification { app, id, code, ip } = request;
    if let Some(ip) = ip {
        admit(&services, ip).await?;
    }
    let macs = services.keys.pepper.macs(&code_parts(&app, &id.to_string(), &code));
    let verdict = services.backends.codes.check(&id, &app.name, &macs).await?;
    metrics::counter!("postrider_checks_total", "verdict" => name(&verdict)).increment(1);
    match verdict {
        Verdict::Approved(verification) => Ok(verification),
        Verdict::Incorrect { checks_left } => Err(ApiError::CodeIncorrect { checks_left }),
        Verdict::Expired => Err(ApiError::VerificationExpired),
        Verdict::Consumed => Err(ApiError::VerificationConsumed),
        Verdict::Exhausted => Err(ApiError::ChecksExhausted),
        Verdict::NotFound => Err(ApiError::VerificationNotFound),
    }
}

/// A guess writes, so whoever shows no key passes a window of its address first.
async fn admit(services: &Services, ip: IpAddr) -> Result<(), ApiError> {
    let ip = services.keys.pepper.macs(&["check", &client_ip::counted(ip)]);
    match services.anonymous_checks.acquire(Asker { number: Vec::new(), ip }).await? {
        Decision::Granted(_) => Ok(()),
        Decision::Denied { by, retry_after } => Err(ApiError::Limited { by, retry_after }),
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Approved(_) => "approved",
        Verdict::Incorrect { .. } => "incorrect",
        Verdict::Expired => "expired",
        Verdict::Consumed => "consumed",
        Verdict::Exhausted => "exhausted",
        Verdict::NotFound => "not_found",
    }
}

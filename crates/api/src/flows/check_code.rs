//! Compares a guess for callers that kept no id: with the newest verification of the number and purpose.

use std::net::IpAddr;
use std::sync::Arc;

use postrider_core::code::Code;
use postrider_core::phone::PhoneNumber;
use postrider_core::verification::Verification;

use super::{CheckVerification, Purpose, check_verification, latest_parts};
use crate::auth::App;
use crate::error::ApiError;
use crate::services::Services;

/// A guess at the newest code of a number.
#[derive(Debug)]
pub(crate) struct CheckCode {
    pub(crate) app: Arc<App>,
    pub(crate) to: PhoneNumber,
    pub(crate) purpose: Purpose,
    pub(crate) code: Code,
    /// The address of a caller without a key.
    pub(crate) ip: Option<IpAddr>,
}

/// See the module.
pub(crate) async fn check_code(
    services: Arc<Services>,
    request: CheckCode,
) -> Result<Verification, ApiError> {
    let CheckCode { app, to, purpose, code, ip } = request;
    let hashes = services.keys.pepper.macs(&latest_parts(&app, &purpose, &to));
    let latest = services.backends.codes.latest(&hashes).await?;
    let Some(id) = latest else {
        metrics::counter!("postrider_checks_total", "verdict" => "not_found").increment(1);
        return Err(ApiError::VerificationNotFound);
    };
    check_verification(services, CheckVerification { app, id, code, ip }).await
}

//! Looks at a verification. It costs no guess.

use std::sync::Arc;

use postrider_core::verification::{Verification, VerificationId};

use crate::auth::App;
use crate::error::ApiError;
use crate::services::Services;

/// See the module.
pub(crate) async fn get_verification(
    services: Arc<Services>,
    app: Arc<App>,
    id: VerificationId,
) -> Result<Verification, ApiError> {
    let found = services.backends.codes.get(&id, &app.name).await?;
    found.ok_or(ApiError::VerificationNotFound)
}

//! What is answered where there is no route.

use super::Answer;
use crate::error::ApiError;

pub(super) async fn not_found() -> Answer {
    Err(ApiError::NotFound.into())
}

pub(super) async fn only_post() -> Answer {
    Err(ApiError::MethodNotAllowed("POST").into())
}

pub(super) async fn only_get() -> Answer {
    Err(ApiError::MethodNotAllowed("GET, HEAD").into())
}

/// For what changes something, which whoever asks for a head alone does not expect.
pub(super) async fn only_get_and_no_head() -> Answer {
    Err(ApiError::MethodNotAllowed("GET").into())
}

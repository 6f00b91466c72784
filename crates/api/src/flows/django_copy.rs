//! The copy of a code that Django reads, where the shop asks for one: written before the task, taken back with it.

use std::time::Duration;

use postrider_core::code::Code;
use postrider_core::django_codes::{DjangoCodes, Replaced};
use postrider_core::phone::PhoneNumber;

use super::CreateVerification;
use crate::error::ApiError;
use crate::services::Services;

/// A copy that was written, or none where none is asked for.
pub(super) struct DjangoCopy<'a>(Option<Written<'a>>);

struct Written<'a> {
    django: &'a DjangoCodes,
    to: &'a PhoneNumber,
    code: &'a Code,
    replaced: Replaced,
}

impl<'a> DjangoCopy<'a> {
    /// Writes it, or fails and leaves none: Django would call a code wrong that was sent and not written.
    pub(super) async fn write(
        services: &'a Services,
        request: &'a CreateVerification,
        code: &'a Code,
        gap: Duration,
    ) -> Result<Self, ApiError> {
        let Some(django) = services.django(&request.app) else { return Ok(Self(None)) };
        let to = &request.to;
        match django.issue(to, code, services.codes.ttl, gap).await {
            Ok(replaced) => Ok(Self(Some(Written { django, to, code, replaced }))),
            Err(error) => {
                tracing::warn!(%error, "a code could not be written where Django reads it: it is not sent");
                // It may have been written all the same.
                Self(Some(Written { django, to, code, replaced: Replaced::default() })).take_back().await;
                Err(ApiError::StoreUnavailable)
            }
        }
    }

    /// Takes it back; what it had replaced stands there again.
    pub(super) async fn take_back(self) {
        let Some(Written { django, to, code, replaced }) = self.0 else { return };
        if let Err(error) = django.withdraw(to, code, &replaced).await {
            tracing::error!(
                %error,
                "a code that was not sent could not be taken back from where Django reads it: it stays until it runs out"
            );
        }
    }
}

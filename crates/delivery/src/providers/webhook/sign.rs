//! The signature of Standard Webhooks (standardwebhooks.com): HMAC-SHA-256 over id, time and body.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use super::TABLE;
use crate::providers::config::ProviderConfigError;

const PREFIX: &str = "whsec_";

/// The key shared with the receiver.
pub(super) struct Secret(SecretSlice<u8>);

impl Secret {
    /// Reads `whsec_<base64>`. The specification asks for 24 to 64 bytes; fewer could be guessed.
    pub(super) fn parse(text: &SecretString) -> Result<Self, ProviderConfigError> {
        let base64 = text.expose_secret().strip_prefix(PREFIX);
        match base64.and_then(|base64| STANDARD.decode(base64).ok()) {
            Some(key) if (24..=64).contains(&key.len()) => Ok(Self(key.into())),
            _ => Err(ProviderConfigError::invalid(
                format!("{TABLE}.secret"),
                "must be whsec_ and the base64 of 24 to 64 bytes, for example the output of \
                 `echo whsec_$(openssl rand -base64 32)`",
            )),
        }
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specifications_example() {
        let secret = Secret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();

        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_short_or_in_another_form_is_refused_without_being_shown() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64 at all, no"]
        {
            let problem = Secret::parse(&text.into()).unwrap_err().to_string();

            assert!(problem.starts_with("providers.webhook.secret must be whsec_"), "{problem}");
            assert!(text.is_empty() || !problem.contains(text), "{problem}");
        }
    }
}

//! Who asks: the apps of the configuration, found by the hash of their secret keys.
//!
//! Keys are 256 random bits, so a plain SHA-256 hides them as well as a slow hash would. The comparison looks at every
//! byte of every hash, whichever it finds.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postrider_core::phone::Region;
use postrider_core::seal::random_bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::error::ApiError;

/// What a secret key begins with, so that scanners of source code can find a leaked one.
const KEY_PREFIX: &str = "prk_";
const HASH_PREFIX: &str = "sha256:";

/// A program that may ask for codes. Verifications of one app are not found by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Where national numbers are read; without it numbers must be in E.164 form.
    pub default_region: Option<Region>,
    /// Whether it showed a secret key.
    pub authenticated: bool,
}

/// The apps of a service.
#[derive(Debug, Clone)]
pub enum Apps {
    /// Everybody is this app, and nobody shows a key. Only for a service that listens on loopback.
    Open(Arc<App>),
    /// Each hash of a secret key with its app.
    Keyed(Vec<(KeyHash, Arc<App>)>),
}

/// The SHA-256 of a secret key. Shown as stars: a hash of a weak key made elsewhere could be searched.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash([u8; 32]);

/// The text is not the hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is written sha256: and 64 hex digits; `postrider-api key generate` makes one")]
pub struct InvalidHash;

impl Apps {
    /// Requests without a key, for loopback only.
    pub fn open() -> Self {
        Self::Open(Arc::new(App { name: "local".into(), default_region: None, authenticated: false }))
    }

    /// Whether requests need no key.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Every app once, in the order of the configuration.
    pub(crate) fn all(&self) -> Vec<&Arc<App>> {
        match self {
            Self::Open(app) => vec![app],
            Self::Keyed(keyed) => {
                let mut apps: Vec<&Arc<App>> = keyed.iter().map(|(_, app)| app).collect();
                // The hashes of one app stand together.
                apps.dedup();
                apps
            }
        }
    }

    /// The app that a request comes from.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<App>, ApiError> {
        let keyed = match self {
            Self::Open(app) => return Ok(Arc::clone(app)),
            Self::Keyed(keyed) => keyed,
        };
        let hash = KeyHash::of(bearer(headers).ok_or(ApiError::Unauthenticated)?);
        let mut found = u32::MAX;
        for (index, (known, _)) in (0_u32..).zip(keyed) {
            found.conditional_assign(&index, known.0.ct_eq(&hash.0));
        }
        let app = keyed.get(found as usize).map(|(_, app)| Arc::clone(app));
        app.ok_or(ApiError::Unauthenticated)
    }
}

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The text that belongs into the configuration.
    pub fn expose(&self) -> String {
        format!("{HASH_PREFIX}{}", hex::encode(self.0))
    }
}

impl FromStr for KeyHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(InvalidHash)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidHash)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for KeyHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl From<KeyHash> for String {
    /// The form in which a configuration is shown.
    fn from(_: KeyHash) -> Self {
        format!("{HASH_PREFIX}******")
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// A fresh secret key.
pub fn generate_key() -> String {
    format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// The token of the one `Authorization: Bearer` header (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn keyed(keys: &[(&str, &str)]) -> Apps {
        let app = |name: &str| App { name: name.into(), default_region: None, authenticated: true };
        Apps::Keyed(keys.iter().map(|(key, name)| (KeyHash::of(key), Arc::new(app(name)))).collect())
    }

    fn ask(apps: &Apps, values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        apps.authenticate(&headers).ok().map(|app| app.name.clone())
    }

    #[test]
    fn a_key_finds_its_app_and_nothing_else_does() {
        let apps = keyed(&[("prk_a", "shop"), ("prk_b", "blog"), ("prk_c", "shop")]);

        assert_eq!(ask(&apps, &["Bearer prk_a"]).as_deref(), Some("shop"));
        assert_eq!(ask(&apps, &["bearer prk_b"]).as_deref(), Some("blog"));
        assert_eq!(ask(&apps, &["Bearer  prk_c "]).as_deref(), Some("shop"));
        let refused: [&[&str]; 9] = [
            &[],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer prk_d"],
            &["prk_a"],
            &["Basic prk_a"],
            &["Bearer prk_a", "Bearer prk_a"],
            &["Bearer prk_a extra"],
        ];
        for values in refused {
            assert_eq!(ask(&apps, values), None, "{values:?}");
        }
    }

    #[test]
    fn without_apps_everybody_is_local_and_has_no_key() {
        let app = Apps::open().authenticate(&HeaderMap::new()).unwrap();
        assert_eq!((app.name.as_str(), app.authenticated), ("local", false));
    }

    #[test]
    fn a_generated_key_is_256_bits_and_its_hash_is_shown_once_only() {
        let key = generate_key();
        let hash = KeyHash::of(&key);

        assert_eq!(key.len(), "prk_".len() + 43);
        assert_ne!(key, generate_key());
        assert_eq!(hash.expose().parse::<KeyHash>(), Ok(hash.clone()));
        assert_eq!(
            (String::from(hash.clone()), format!("{hash:?}")),
            ("sha256:******".into(), "******".into())
        );
        for text in ["", "sha256:", "sha256:00", "md5:00", &"0".repeat(64)] {
            assert!(text.parse::<KeyHash>().is_err(), "{text}");
        }
    }
}

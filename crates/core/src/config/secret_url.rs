//! The address of a server, of which only the place may be shown.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// A URL. It is shown without user, password and query, all of which may be secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// The whole of it, for a client.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&starred(self.0.expose_secret()))
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn starred(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?******"));
            let place = place.rsplit_once('@').map_or(place.to_owned(), |(_, host)| format!("******@{host}"));
            format!("{scheme}://{place}{query}")
        }
        None if url.is_empty() => String::new(),
        None => "******".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_is_shown() {
        let cases = [
            ("redis://host:6379/2", "redis://host:6379/2"),
            ("redis://me:s3cret@host/2", "redis://******@host/2"),
            ("redis://:p@ss@host/2?s=1", "redis://******@host/2?******"),
            ("s3cret", "******"),
            ("", ""),
        ];
        for (url, shown) in cases {
            assert_eq!(SecretUrl(url.into()).to_string(), shown);
        }
    }
}

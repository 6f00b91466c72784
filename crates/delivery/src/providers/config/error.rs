//! Why no provider can be built, in words that name the key to change.

use std::io;
use std::path::PathBuf;

/// Why no provider can be built. Each text begins with the key to change, or names it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// A value that cannot be used, or that is missing.
    #[error("{key} {reason}")]
    Invalid {
        /// The key's path.
        key: String,
        /// What is wrong with it, as the rest of a sentence.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{key}: cannot read {}", path.display())]
    File {
        /// The key's path.
        key: String,
        /// The path that it holds.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: io::Error,
    },
    /// No TLS on this machine, most likely for want of a certificate store.
    #[error("sms.provider: cannot set up the HTTP client (are the system's CA certificates installed?)")]
    Client(#[source] reqwest::Error),
}

impl ProviderConfigError {
    pub(in crate::providers) fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), reason: reason.into() }
    }
}

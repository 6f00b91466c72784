//! Secrets from the configuration or from a file of their own.

use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::ProviderConfigError;

/// A secret from the configuration or from a file, whichever of `<key>` and `<key>_file` is set.
pub(in crate::providers) fn read_secret(
    table: &str,
    key: &str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<SecretString, ProviderConfigError> {
    let key = format!("{table}.{key}");
    let secret = match (value, file) {
        (Some(value), None) => value.clone(),
        (None, Some(path)) => fs::read_to_string(path).map(SecretString::from).map_err(|source| {
            ProviderConfigError::File { key: format!("{key}_file"), path: path.to_owned(), source }
        })?,
        (Some(_), Some(_)) => {
            return Err(ProviderConfigError::invalid(
                key.clone(),
                format!("and {key}_file are both set: keep one"),
            ));
        }
        (None, None) => {
            return Err(ProviderConfigError::invalid(
                format!("{key}_file"),
                "is missing: name the file that holds it",
            ));
        }
    };
    // Files and here-documents end with a line feed.
    let trimmed = secret.expose_secret().trim();
    if trimmed.is_empty() { Err(ProviderConfigError::invalid(key, "is empty")) } else { Ok(trimmed.into()) }
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    fn read(value: Option<&str>, file: Option<&Path>) -> Result<String, String> {
        let value = value.map(SecretString::from);
        let secret = read_secret("providers.x", "token", value.as_ref(), file);
        secret.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_comes_from_one_place_without_the_space_around_it() {
        let file = std::env::temp_dir().join(format!("postrider-secret-{}", process::id()));
        fs::write(&file, "t0ken\n").unwrap();

        let from_file = read(None, Some(&file));
        let both = read(Some("t0ken"), Some(&file));
        fs::remove_file(&file).unwrap();
        let missing = read(None, Some(&file));

        assert_eq!(from_file.as_deref(), Ok("t0ken"));
        assert_eq!(read(Some(" t0ken "), None).as_deref(), Ok("t0ken"));
        assert_eq!(both.unwrap_err(), "providers.x.token and providers.x.token_file are both set: keep one");
        let missing = missing.unwrap_err();
        assert!(missing.starts_with("providers.x.token_file: cannot read /"), "{missing}");
        assert_eq!(read(Some(" "), None).unwrap_err(), "providers.x.token is empty");
        assert!(read(None, None).unwrap_err().starts_with("providers.x.token_file is missing"));
    }
}

//! `key generate`: fresh keys, printed with what belongs where.

use clap::ValueEnum;
use postrider_core::clock::Clock;
use postrider_core::seal::{KeyRing, random_bytes};

use crate::auth::{self, KeyHash};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// An app's secret key, for its requests.
    Secret,
    /// A line for `keys.pepper_file`.
    Pepper,
    /// A line for `keys.seal_file`.
    Seal,
}

/// The text to print. That of a pepper or a seal is a key file.
pub(crate) fn generate(kind: KeyKind, clock: &Clock) -> String {
    match kind {
        KeyKind::Secret => {
            let key = auth::generate_key();
            let hash = KeyHash::of(&key).expose();
            format!(
                "# An app's secret key. It is shown this once; give it to the app, which sends it with every request\n\
                 # as `Authorization: Bearer <key>`.\n\
                 {key}\n\n\
                 # Its hash, for the app's entry in the api's configuration:\n\
                 # [[apps]]\n\
                 # name = \"shop\"\n\
                 secret_key_hashes = [\"{hash}\"]\n"
            )
        }
        KeyKind::Pepper | KeyKind::Seal => {
            // The date tells people how old a key is, the rest keeps two keys of one day apart.
            let id = format!("k{}{}", clock.now().strftime("%Y%m%d"), hex::encode(random_bytes::<2>()));
            format!("{}\n", KeyRing::generate_line(&id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_pepper_or_seal_is_a_key_file() {
        for kind in [KeyKind::Pepper, KeyKind::Seal] {
            let text = generate(kind, &Clock::System);
            assert!(KeyRing::parse(&text).is_ok() && text.starts_with("k20"), "{kind:?}");
        }
    }

    #[test]
    fn the_hash_that_is_printed_is_that_of_the_key_that_is_printed() {
        let text = generate(KeyKind::Secret, &Clock::System);
        let key = text.lines().find(|line| line.starts_with("prk_")).unwrap();
        assert!(text.contains(&format!("secret_key_hashes = [\"{}\"]", KeyHash::of(key).expose())));
    }
}

//! Keys and what is done with them: keyed MACs for looking up and comparing, sealed boxes for what must be read again.
//!
//! Every MAC and every sealed value begins with the id of its key, `<id>.<data>`. A [`KeyRing`] holds several keys: the
//! first writes, all read, so that a key is rotated by putting a new one in front and dropping the old one later.
//! Sealing is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce; MACs are HMAC-SHA-256 (RFC 2104).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// A list of named 256-bit keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<Key>>);

struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    /// Begun under this key: half of the work of a short MAC is done once.
    mac: Hmac<Sha256>,
}

/// What is wrong with the text of a key file. The texts never hold key material.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key in it.
    #[error("holds no key: write one line `<id> <64 hex digits>`")]
    Empty,
    /// A line that is not an id and 64 hex digits.
    #[error("line {0} is not `<id> <64 hex digits>` (the id is 1 to 16 letters and digits)")]
    Line(usize),
    /// Two keys with one id.
    #[error("line {0} repeats the id of an earlier key")]
    Repeated(usize),
}

/// Why a sealed value cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed with a key that this process does not hold.
    #[error("sealed with the key {0:?}, which is not in the key file")]
    UnknownKey(String),
    /// Not a sealed value, changed on the way, or bound to another context.
    #[error("the sealed value is damaged or belongs elsewhere")]
    Damaged,
}

impl KeyRing {
    /// Reads a key file: a key a line, `<id> <64 hex digits>`, the writing key first; `#` begins a comment.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (id, digits) = line.split_once(char::is_whitespace).ok_or(KeyError::Line(index + 1))?;
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            let well_named =
                (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !well_named || hex::decode_to_slice(digits.trim(), bytes.as_mut_slice()).is_err() {
                return Err(KeyError::Line(index + 1));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(KeyError::Repeated(index + 1));
            }
            keys.push(Key::new(id, bytes));
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(Arc::new(keys))) }
    }

    /// One fresh key, for a process that keeps nothing past its own life.
    pub fn ephemeral() -> Self {
        let bytes = Zeroizing::new(random_bytes());
        Self(Arc::new(vec![Key::new("ephemeral", bytes)]))
    }

    /// A line for a key file, with a fresh key.
    pub fn generate_line(id: &str) -> String {
        format!("{id} {}", hex::encode(random_bytes::<KEY_BYTES>()))
    }

    /// The MAC under the writing key, as `<key id>.<hex>`. The parts are length-prefixed, so none can run into the next.
    pub fn mac(&self, parts: &[&str]) -> String {
        self.0[0].mac(parts)
    }

    /// The MAC under every key: what an earlier writing key may have stored.
    pub fn macs(&self, parts: &[&str]) -> Vec<String> {
        self.0.iter().map(|key| key.mac(parts)).collect()
    }

    /// Encrypts under the writing key, bound to `context`: opening needs the same context.
    pub fn seal(&self, context: &[impl AsRef<str>], plain: &[u8]) -> String {
        let key = &self.0[0];
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let sealed = key
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &joined(context) })
            .expect("a message far below the cipher's limit of 256 GiB");
        format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Decrypts what [`KeyRing::seal`] made, with whichever key it names.
    pub fn open(&self, context: &[impl AsRef<str>], sealed: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (id, data) = sealed.split_once('.').ok_or(OpenError::Damaged)?;
        let key =
            self.0.iter().find(|key| key.id == id).ok_or_else(|| OpenError::UnknownKey(shortened(id)))?;
        let data = URL_SAFE_NO_PAD.decode(data).map_err(|_| OpenError::Damaged)?;
        let (nonce, data) = data.split_at_checked(NONCE_BYTES).ok_or(OpenError::Damaged)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| OpenError::Damaged)?;
        key.cipher()
            .decrypt(&XNonce::from(nonce), Payload { msg: data, aad: &joined(context) })
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Damaged)
    }
}

impl Key {
    fn new(id: &str, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { id: id.to_owned(), mac: keyed(bytes.as_slice()), bytes }
    }

    fn mac(&self, parts: &[&str]) -> String {
        let mut mac = self.mac.clone();
        mac.update(&joined(parts));
        format!("{}.{}", self.id, hex::encode(mac.finalize().into_bytes()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// Bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: there is no safe way to go on.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random numbers");
    bytes
}

/// HMAC-SHA-256 of a message as hex, for signatures whose key comes from elsewhere.
pub fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    let mut mac = keyed(key);
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn joined(parts: &[impl AsRef<str>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn shortened(id: &str) -> String {
    id.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> KeyRing {
        let lines: Vec<String> =
            ids.iter().map(|id| format!("{id} {}", hex::encode([id.as_bytes()[0]; 32]))).collect();
        KeyRing::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_own_context_and_unchanged() {
        let keys = ring(&["a"]);
        let sealed = keys.seal(&["app", "id"], b"123456");

        assert_eq!(keys.open(&["app", "id"], &sealed).unwrap().as_slice(), b"123456");
        assert_eq!(keys.open(&["app", "other"], &sealed), Err(OpenError::Damaged));
        assert_eq!(keys.open(&["ap", "pid"], &sealed), Err(OpenError::Damaged));
        assert_eq!(keys.open(&["app", "id"], &format!("{sealed}A")), Err(OpenError::Damaged));
        assert_eq!(keys.open(&["app", "id"], "junk"), Err(OpenError::Damaged));
    }

    #[test]
    fn a_new_key_in_front_writes_and_the_old_one_still_reads() {
        let (old, both, new) = (ring(&["old"]), ring(&["new", "old"]), ring(&["new"]));
        let sealed = old.seal(&["c"], b"x");

        assert!(both.open(&["c"], &sealed).is_ok());
        assert_eq!(new.open(&["c"], &sealed), Err(OpenError::UnknownKey("old".into())));
        assert!(both.seal(&["c"], b"x").starts_with("new."));
        assert!(both.macs(&["x"]).contains(&old.mac(&["x"])));
        assert_eq!(both.mac(&["x"]), new.mac(&["x"]));
        assert_ne!(new.mac(&["ab", "c"]), new.mac(&["a", "bc"]));
    }

    #[test]
    fn a_bad_key_file_names_its_line_and_no_key() {
        let good = hex::encode([1; 32]);
        assert_eq!(KeyRing::parse("# nothing\n").unwrap_err(), KeyError::Empty);
        assert_eq!(KeyRing::parse(&format!("a {good}\nb 12")).unwrap_err(), KeyError::Line(2));
        assert_eq!(KeyRing::parse(&format!("a {good}\na {good}")).unwrap_err(), KeyError::Repeated(2));
        assert_eq!(KeyRing::parse(&format!("a.b {good}")).unwrap_err(), KeyError::Line(1));
        assert_eq!(format!("{:?}", ring(&["a", "b"])), r#"["a", "b"]"#);
    }
}

//! `ccp_send_sms_code(mobile, sms_code)`: the tutorial's task, as Python shops enqueue and run it.
//!
//! Its arguments are in the clear, because Python writes and reads them. It is sent as two positional arguments.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::task::{RetryPolicy, Task};

/// The payload.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct CcpSendSmsCode {
    /// The number as the shop writes it; national numbers are China's.
    #[serde(deserialize_with = "text_or_number")]
    pub mobile: String,
    /// The code, as the shop made it. Shops that shortened the parameter's name call it `code`.
    #[serde(alias = "code", deserialize_with = "text_or_number")]
    pub sms_code: String,
}

impl Task for CcpSendSmsCode {
    const NAME: &'static str = "ccp_send_sms_code";
    const RETRY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);
    const SENSITIVE: bool = true;
}

impl Serialize for CcpSendSmsCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.mobile, &self.sms_code).serialize(serializer)
    }
}

impl fmt::Debug for CcpSendSmsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CcpSendSmsCode")
            .field("mobile", &crate::phone::mask(&self.mobile))
            .finish_non_exhaustive()
    }
}

/// Shops that keep numbers as integers send them as such.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Either;

    impl Visitor<'_> for Either {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a whole number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::celery::Arguments;

    #[test]
    fn it_is_written_as_two_positional_arguments_and_read_in_every_form() {
        let task = CcpSendSmsCode { mobile: "13800138000".into(), sms_code: "012345".into() };
        let written = Arguments::of(&task).unwrap();
        assert_eq!(json!(written.args), json!(["13800138000", "012345"]));

        let keywords = Arguments { args: vec![json!(13_800_138_000_u64)], kwargs: serde_json::Map::new() };
        let mut mixed = keywords.clone();
        mixed.kwargs.insert("sms_code".into(), json!("012345"));
        let mut short = keywords.clone();
        short.kwargs.insert("code".into(), json!("012345"));
        assert_eq!(mixed.decode::<CcpSendSmsCode>().unwrap(), task);
        assert_eq!(short.decode::<CcpSendSmsCode>().unwrap(), task);
        assert_eq!(written.decode::<CcpSendSmsCode>().unwrap(), task);
    }

    #[test]
    fn debug_shows_neither_number_nor_code() {
        let task = CcpSendSmsCode { mobile: "13800138000".into(), sms_code: "012345".into() };
        assert_eq!(format!("{task:?}"), "CcpSendSmsCode { mobile: \"138******00\", .. }");
    }
}

//! A signed request from a message and an instant, byte for byte what the provider's own SDK sends.
//!
//! The signature covers account, token and time, not the body. The time is Beijing's, whatever this machine's zone:
//! the SDK takes local time, which is eight hours off in a container that runs in UTC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::Offset;
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::providers::http::Header;

const BEIJING: Offset = Offset::constant(8);

/// Who sends.
pub(super) struct Credentials {
    pub(super) account_sid: String,
    pub(super) auth_token: SecretString,
    pub(super) app_id: String,
}

/// What is sent.
pub(super) struct Message<'a> {
    /// One number, or several with commas between them.
    pub(super) to: &'a str,
    pub(super) template_id: &'a str,
    /// The template's variables in their order. Text, even where they are numbers: an integer is a format error.
    pub(super) datas: &'a [&'a str],
    /// The key by which the provider recognises a repetition.
    pub(super) req_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    to: &'a str,
    app_id: &'a str,
    template_id: &'a str,
    datas: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a str>,
}

/// What goes over the wire.
pub(super) struct Signed {
    pub(super) url: String,
    pub(super) headers: [Header; 4],
    pub(super) body: Vec<u8>,
}

/// `base` is scheme, host and port, without a slash at the end.
pub(super) fn sign(base: &str, credentials: &Credentials, message: &Message<'_>, now: Timestamp) -> Signed {
    let Credentials { account_sid, auth_token, app_id } = credentials;
    let time = BEIJING.to_datetime(now).strftime("%Y%m%d%H%M%S").to_string();
    let secret = format!("{account_sid}{}{time}", auth_token.expose_secret());
    let sig = hex::encode_upper(Md5::digest(secret));
    let body = Body {
        to: message.to,
        app_id,
        template_id: message.template_id,
        datas: message.datas,
        req_id: message.req_id,
    };
    Signed {
        url: format!("{base}/2013-12-26/Accounts/{account_sid}/SMS/TemplateSMS?sig={sig}"),
        headers: [
            ("accept", "application/json".into()),
            ("accept-charset", "UTF-8".into()),
            ("content-type", "application/json;charset=utf-8".into()),
            ("authorization", STANDARD.encode(format!("{account_sid}:{time}"))),
        ],
        body: serde_json::to_vec(&body).expect("text and lists of text always serialize"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    macro_rules! vector {
        ($case:literal) => {
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/fixtures/provider-vectors/yuntongxun-",
                $case,
                ".json"
            ))
        };
    }

    /// Signs what the vector's inputs say, and compares address and headers. Returns our body and the recorded one.
    fn signed_as_recorded(vector: &str) -> (Value, Value) {
        let vector: Value = serde_json::from_str(vector).unwrap();
        let text = |pointer: &str| vector.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let credentials = Credentials {
            account_sid: text("/inputs/credentials/account_sid"),
            auth_token: text("/inputs/credentials/auth_token").into(),
            app_id: text("/inputs/credentials/app_id"),
        };
        let datas = vector["inputs"]["datas"].as_array().unwrap().iter();
        let datas: Vec<String> =
            datas.map(|data| data.as_str().map_or(data.to_string(), str::to_owned)).collect();
        let datas: Vec<&str> = datas.iter().map(String::as_str).collect();
        let (to, template_id) = (text("/inputs/to"), text("/inputs/template_id"));
        let message = Message { to: &to, template_id: &template_id, datas: &datas, req_id: None };
        let now = Timestamp::from_second(vector["inputs"]["time"]["unix"].as_i64().unwrap()).unwrap();

        let signed = sign("https://app.cloopen.com:8883", &credentials, &message, now);

        let expected = &vector["expected"];
        let address = format!(
            "{}://{}:{}{}?{}",
            text("/expected/scheme"),
            text("/expected/host"),
            expected["port"],
            text("/expected/path"),
            text("/expected/query_raw")
        );
        assert_eq!(signed.url, address);
        // `host` is the client's to write, from the same address.
        let ignored = vector["compare"]["ignore_headers"].as_array().unwrap();
        let compared = expected["headers"].as_array().unwrap().iter().filter_map(|header| {
            let name = header[0].as_str().unwrap().to_lowercase();
            (name != "host" && !ignored.contains(&json!(name))).then_some((name, header[1].as_str().unwrap()))
        });
        let compared: Vec<_> = compared.collect();
        assert_eq!(compared.len(), 3, "content type, charset and authorization");
        for (name, value) in compared {
            let ours = signed.headers.iter().find(|(ours, _)| *ours == name);
            assert_eq!(ours.map(|(_, value)| value.as_str()), Some(value), "{name}");
        }
        (serde_json::from_slice(&signed.body).unwrap(), expected["body_json"].clone())
    }

    #[test]
    fn requests_are_those_of_the_official_sdk() {
        for vector in [vector!("basic"), vector!("multi-number-newyear"), vector!("unicode")] {
            let (ours, recorded) = signed_as_recorded(vector);

            assert_eq!(ours, recorded);
        }
    }

    #[test]
    fn integers_go_as_text_where_the_sdk_passes_them_through() {
        // The provider documents strings; the SDK sends whatever it is given. Only the body differs from the recording.
        let (ours, mut recorded) = signed_as_recorded(vector!("int-minutes"));

        assert_eq!(recorded["datas"], json!(["123456", 5]));
        recorded["datas"] = json!(["123456", "5"]);
        assert_eq!(ours, recorded);
    }

    #[test]
    fn the_request_id_is_a_field_of_the_body() {
        let credentials = Credentials { account_sid: "a".into(), auth_token: "t".into(), app_id: "p".into() };
        let message = Message { to: "1", template_id: "1", datas: &["\"\\\n"], req_id: Some("r") };

        let signed = sign("http://h", &credentials, &message, Timestamp::UNIX_EPOCH);

        let body: Value = serde_json::from_slice(&signed.body).unwrap();
        assert_eq!(body["reqId"], "r");
        assert_eq!(body["datas"], json!(["\"\\\n"]));
    }
}

//! Bodies that are JSON, with a field that is unknown, missing, of a wrong type or of a wrong form.

use serde_json::{Value, json};

use super::{CANARY, Fed, assert_refused};

/// No mobile number.
const NUMBERS: &[&str] = &[
    "",
    " ",
    "+",
    "+86",
    "8613711223344x",
    "+8613711223344;ext=1",
    "tel:+8613711223344",
    "+86138CALLNOW",
    "１３８００１３８０００",
    "+86１３８００１３８０００",
    "+8613711223344\u{0}",
    "\u{0}",
    "+86138\t00138000",
    "+86138\r\n00138000",
    "+86138\u{200b}00138000",
    "+8613711223344,+8613900139000",
    "+86138001380",
    "1380013800",
    "+86137112233440",
    "+861012345678",
    "010-12345678",
    "12800138000",
    "+442079460000",
    "+9991234567",
    "++8613711223344",
    "+86+13711223344",
    "110",
    "+8613711223344 x7",
    "'; DROP TABLE codes; --",
];

/// No name of a purpose.
const PURPOSES: &[&str] = &[
    "",
    " ",
    "Login",
    "log in",
    "login\n",
    "login\u{0}",
    "a/b",
    "登录",
    "-a",
    "ｌｏｇｉｎ",
    "+8613711223344",
    "a23456789012345678901234567890123",
];

/// No address.
const IPS: &[&str] = &[
    "",
    "localhost",
    "203.0.113.256",
    "203.0.113",
    "203.0.113.7:80",
    "203.0.113.7/32",
    "::g",
    "[::1]",
    "fe80::1%eth0",
    "010.0.0.1",
    "0x7f000001",
    " 203.0.113.7",
    "203.0.113.7\u{0}",
    "203.0.113.7, 203.0.113.8",
    "２０３.0.113.7",
    CANARY,
];

/// No code.
const CODES: &[&str] = &[
    "",
    "65432",
    "6543210",
    "65432x",
    "654 321",
    " 654321",
    "654321\n",
    "65432\u{0}",
    "６５４３２１",
    "-65432",
    "0x6543",
    "654321654321",
    CANARY,
];

#[tokio::test]
async fn a_field_of_a_wrong_type_and_an_unknown_field_are_refused_by_every_route() {
    let fed = Fed::start("types").await;
    let values = [
        json!(13_711_223_344_u64),
        json!(654_321),
        json!(-1.5),
        json!(true),
        json!([CANARY]),
        json!({"value": CANARY}),
        json!({}),
        json!([]),
    ];

    for (path, good) in fed.routes() {
        let fields: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
        for field in &fields {
            for value in &values {
                // An empty object is a good `signals`.
                if field == "signals" && value.as_object().is_some_and(serde_json::Map::is_empty) {
                    continue;
                }
                let mut bad = good.clone();
                bad[field.as_str()] = value.clone();
                let body = bad.to_string();
                let answer = fed.post(&path, body.as_bytes()).await;
                assert_refused(&path, body.as_bytes(), &answer, 422, "invalid_parameter");
                assert!(answer.text_of("detail").contains(field.as_str()), "{body}: {}", answer.text);
            }
        }
        for unknown in ["id", "channel", "locale", "ip", "__proto__"] {
            let mut bad = good.clone();
            bad[unknown] = json!(CANARY);
            let answer = fed.post(&path, bad.to_string().as_bytes()).await;
            assert_refused(&path, unknown.as_bytes(), &answer, 422, "invalid_parameter");
            assert!(answer.text_of("detail").contains(unknown), "{unknown}: {}", answer.text);
        }
        for needed in fields.iter().filter(|field| ["to", "code"].contains(&field.as_str())) {
            for absent in [None, Some(Value::Null)] {
                let mut bad = good.clone();
                match absent {
                    Some(null) => bad[needed.as_str()] = null,
                    None => drop(bad.as_object_mut().unwrap().remove(needed)),
                }
                let answer = fed.post(&path, bad.to_string().as_bytes()).await;
                assert_refused(&path, needed.as_bytes(), &answer, 422, "invalid_parameter");
                assert!(answer.text.contains("is missing"), "{}", answer.text);
            }
        }
    }
    fed.end().await;
}

#[tokio::test]
async fn a_value_of_a_wrong_form_is_refused_by_every_route_that_reads_it() {
    let fed = Fed::start("forms").await;
    let long = "1".repeat(10_000);

    for (path, good) in fed.routes() {
        for (field, values, code) in [
            ("/to", NUMBERS, "invalid_phone_number"),
            ("/purpose", PURPOSES, "invalid_parameter"),
            ("/signals/ip", IPS, "invalid_parameter"),
            ("/code", CODES, "invalid_parameter"),
        ] {
            for value in values.iter().copied().chain([long.as_str()]) {
                let mut bad = good.clone();
                // Not every route reads every field.
                let Some(place) = bad.pointer_mut(field) else { break };
                *place = json!(value);
                let body = bad.to_string();
                assert_refused(&path, body.as_bytes(), &fed.post(&path, body.as_bytes()).await, 422, code);
            }
        }
    }
    fed.end().await;
}

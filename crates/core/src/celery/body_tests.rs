//! Bodies that Celery wrote, and bodies that stop a stock Celery worker.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::broker::message::{Properties, Value as Header};
use crate::celery::content::MAX_BODY;
use crate::celery::{Call, Request, fixtures};

fn with_body(body: &str) -> Message {
    Message { body: body.to_owned().into(), ..Message::default() }
}

fn packed(body: impl Into<Vec<u8>>) -> Message {
    let properties =
        Properties { content_type: Some("application/x-msgpack".into()), ..Properties::default() };
    Message { properties, body: body.into().into(), ..Message::default() }
}

fn zlib(body: &[u8]) -> Message {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    let mut message = Message { body: encoder.finish().unwrap().into(), ..Message::default() };
    message.headers.insert("compression".into(), Header::from("application/x-gzip"));
    message
}

#[test]
fn bodies_that_a_stock_worker_dies_of_are_errors_with_a_reason() {
    for body in [
        "{nope",
        "[[1], {}]",
        "[[1], null, {}]",
        "[[1], {}, {}, {}]",
        "[[1], {}, {\"callbacks\": [1]}]",
        "[{}, [], {}]",
        "Hello RabbitMQ!",
        "",
        "{\"task\": \"x\"}",
    ] {
        assert_eq!(Body::read(&with_body(body)), Err(BodyError::Malformed), "{body}");
    }
    assert!(Body::read(&with_body("[[2, 3], {}, null]")).is_ok());
    assert_eq!(Body::read(&with_body(&" ".repeat(MAX_BODY + 1))), Err(BodyError::TooLarge));
    let deep = format!("[{}{}, {{}}, {{}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Body::read(&with_body(&deep)), Err(BodyError::Malformed));
}

#[test]
fn a_number_that_json_does_not_have_is_named_as_the_reason() {
    for body in ["[[NaN], {}, {}]", "[[1, -Infinity], {}, {}]", r#"[["\"", "\\"], {"x": Infinity}, null]"#] {
        assert_eq!(Body::read(&with_body(body)), Err(BodyError::NotFinite), "{body}");
    }
    let nan = [&b"\x93\x91\xcb"[..], &f64::NAN.to_be_bytes(), b"\x80\xc0"].concat();
    assert_eq!(Body::read(&packed(nan)), Err(BodyError::NotFinite));

    assert_eq!(Body::read(&with_body(r#"[["NaN \" Infinity", nope], {}, {}]"#)), Err(BodyError::Malformed));
}

#[test]
fn msgpack_and_zlib_are_read_as_celery_wrote_them() {
    for name in ["task-serializer-msgpack", "task-compression-gzip"] {
        let body = Body::read(&fixtures::messages(name)[0]).unwrap();
        assert_eq!(body.arguments.args, ["13800138000", "123456"], "{name}");
        assert!(body.arguments.kwargs.is_empty() && body.embed.is_empty(), "{name}");
    }
}

#[test]
fn other_serializers_and_compressions_are_named_with_the_setting_to_change() {
    for (name, setting) in [
        ("task-serializer-pickle", "task_serializer"),
        ("task-serializer-yaml", "task_serializer"),
        ("task-compression-bzip2", "task_compression"),
    ] {
        let error = Body::read(&fixtures::messages(name)[0]).unwrap_err();
        assert!(error.to_string().contains(setting), "{name}: {error}");
    }
    let mut message = with_body("[[], {}, {}]");
    message.properties.content_encoding = Some("latin-1".into());
    assert_eq!(Body::read(&message), Err(BodyError::ContentEncoding("latin-1".into())));
}

#[test]
fn a_small_body_that_hides_a_large_one_is_an_error() {
    let bomb = zlib(&vec![b' '; MAX_BODY + 1]);
    assert!(bomb.body.len() < MAX_BODY / 100);
    assert_eq!(Body::read(&bomb), Err(BodyError::TooLarge));
    assert!(Body::read(&zlib(b"[[], {}, {}]")).is_ok());

    let mut broken = zlib(b"[[], {}, {}]");
    broken.body = broken.body.slice(..broken.body.len() / 2);
    assert_eq!(Body::read(&broken), Err(BodyError::Damaged));
}

#[test]
fn msgpack_that_is_broken_too_deep_or_more_than_one_value_is_an_error() {
    // [[1], {"k": bin(ff)}, nil], written by hand.
    let good = b"\x93\x91\x01\x81\xa1k\xc4\x01\xff\xc0";
    let body = Body::read(&packed(*good)).unwrap();
    assert_eq!(body.arguments.kwargs["k"], json!({"__type__": "base64", "__value__": "/w=="}));

    let deep = [vec![0x91; 100_000], vec![0xc0]].concat();
    let cases = [&good[..5], &[&good[..], b"\xc0"].concat(), &deep, b"\xdd\xff\xff\xff\xff", b"\xc1", b""];
    for case in cases {
        assert_eq!(Body::read(&packed(case)), Err(BodyError::Malformed));
    }
}

#[test]
fn what_is_written_is_what_celery_writes() {
    let arguments = Arguments::of(&("13800138000", "123456")).unwrap();
    let captured = fixtures::captured("task-delay");

    let body: Value = serde_json::from_slice(&arguments.write()).unwrap();

    assert_eq!(body, captured[0]["body_json"]);
}

#[test]
fn other_arguments_take_the_place_of_a_messages_own_and_what_follows_stays() {
    let mut message = fixtures::messages("task-custom-headers")[0].clone();
    message.properties.content_type = Some("application/x-msgpack".into());
    message.headers.insert("compression".into(), "application/x-gzip".into());
    let embed = Embed { callbacks: vec![Call::new("next")], ..Embed::default() };
    let arguments = Arguments { args: vec![json!("new"), json!(2)], ..Arguments::default() };
    let before = message.clone();

    arguments.replace_in(&mut message, &embed, false);

    let body = Body::read(&message).unwrap();
    assert_eq!((body.arguments, body.embed), (arguments.clone(), embed.clone()));
    assert_eq!((message.header("argsrepr"), message.header("kwargsrepr")), (Some("('new', 2)"), Some("{}")));
    let own = |message: &Message| {
        Request::of(message).own_headers().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(own(&message), own(&before));

    arguments.replace_in(&mut message, &embed, true);

    assert_eq!(message.header("argsrepr"), Some("('***',)"));
}

#[test]
fn a_float_is_written_to_the_last_digit_as_it_was_read() {
    let text = "[[510.35999999999996, 0.9452706955539223], {}, {}]";
    let body = Body::read(&with_body(text)).unwrap();

    let written = String::from_utf8(body.arguments.write()).unwrap();

    assert!(written.starts_with("[[510.35999999999996,0.9452706955539223],{},"), "{written}");
}

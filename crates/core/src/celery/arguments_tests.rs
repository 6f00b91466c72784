//! Python's calling convention, and what becomes of each kind of value.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
struct Add {
    x: i64,
    #[serde(default)]
    y: i64,
}

fn call(args: Value, kwargs: Value) -> Arguments {
    Arguments { args: serde_json::from_value(args).unwrap(), kwargs: serde_json::from_value(kwargs).unwrap() }
}

#[test]
fn positional_and_keyword_arguments_meet_in_the_fields() {
    for (args, kwargs) in [
        (json!([1, 2]), json!({})),
        (json!([1]), json!({"y": 2})),
        (json!([]), json!({"y": 2, "x": 1})),
        (json!([1, 2]), json!({"unknown": 3})),
    ] {
        assert_eq!(call(args, kwargs).decode(), Ok(Add { x: 1, y: 2 }));
    }
    assert_eq!(call(json!([1]), json!({})).decode(), Ok(Add { x: 1, y: 0 }));
    assert_eq!(call(json!([[1, 2]]), json!({})).decode(), Ok(vec![1, 2]));
    assert_eq!(call(json!([1, 2]), json!({})).decode(), Ok((1, 2)));
    assert_eq!(call(json!([]), json!({})).decode(), Ok(()));
}

#[test]
fn a_list_in_a_newtype_is_one_argument_however_long_it_is() {
    #[derive(Debug, serde::Serialize, Deserialize, PartialEq)]
    struct Totals(Vec<i64>);

    for list in [vec![], vec![1], vec![1, 2]] {
        let arguments = Arguments::of(&Totals(list.clone())).unwrap();
        assert_eq!(arguments.args, [json!(list)]);
        assert_eq!(arguments.decode(), Ok(Totals(list)));
    }
    // As it was sent before, and as a tuple still is.
    assert_eq!(call(json!([1, 2]), json!({})).decode(), Ok(Totals(vec![1, 2])));
    assert_eq!(Arguments::of(&(1, 2)).unwrap().args, [json!(1), json!(2)]);
}

#[test]
fn a_call_that_does_not_fit_says_why_and_quotes_no_value() {
    let cases = [
        (json!([1, 2, 3]), json!({}), "takes 2 positional arguments but 3 were given"),
        (json!([1]), json!({"x": 2}), "multiple values for the argument `x`"),
        (json!([]), json!({}), "missing field `x`"),
        (json!(["123456"]), json!({}), "expected i64"),
    ];
    for (args, kwargs, expected) in cases {
        let text = call(args, kwargs).decode::<Add>().unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("123456"), "{text}");
    }
}

#[derive(Debug, Deserialize, PartialEq)]
enum Shape {
    Point,
    Circle(f64),
    Box { at: jiff::civil::Date },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Everything {
    at: jiff::Timestamp,
    id: uuid::Uuid,
    price: f64,
    raw: Vec<u8>,
    day: jiff::civil::Date,
    time: jiff::civil::Time,
    pair: (i64, i64),
}

#[test]
fn what_json_has_no_form_for_is_read_by_the_type_that_takes_it() {
    let message = &crate::celery::fixtures::messages("task-types")[0];

    let everything: Everything = Arguments::read(message).unwrap().decode().unwrap();

    let expected = Everything {
        at: "2030-01-02T03:04:05Z".parse().unwrap(),
        id: uuid::Uuid::from_u128(1),
        price: 1.5,
        raw: vec![0xff, 0],
        day: "2030-01-02".parse().unwrap(),
        time: "03:04".parse().unwrap(),
        pair: (1, 2),
    };
    assert_eq!(everything, expected);
}

#[test]
fn tagged_values_are_read_at_any_depth_and_as_text_too() {
    let date = json!({"__type__": "date", "__value__": "2030-01-02"});
    let day: jiff::civil::Date = "2030-01-02".parse().unwrap();
    let nested = call(json!([{"days": [date, date]}]), json!({}));
    let one: std::collections::HashMap<String, Vec<jiff::civil::Date>> = nested.clone().decode().unwrap();
    assert_eq!(one["days"], [day, day]);
    let texts: std::collections::HashMap<String, Vec<String>> = nested.decode().unwrap();
    assert_eq!(texts["days"], ["2030-01-02", "2030-01-02"]);

    let shapes = json!(["Point", {"Circle": 1.5}, {"Box": {"at": date}}]);
    let shapes: Vec<Shape> = call(json!([shapes]), json!({})).decode().unwrap();
    assert_eq!(shapes, [Shape::Point, Shape::Circle(1.5), Shape::Box { at: day }]);

    let decimal = json!({"__type__": "decimal", "__value__": "12"});
    assert_eq!(call(json!([decimal]), json!({})).decode(), Ok(12_u8));
    let bytes = json!({"__type__": "bytes", "__value__": "abc"});
    assert_eq!(call(json!([bytes.clone()]), json!({})).decode(), Ok(b"abc".to_vec()));
    assert_eq!(call(json!([bytes]), json!({})).decode(), Ok("abc".to_owned()));
    let optional = call(json!([[date, null]]), json!({}));
    assert_eq!(optional.decode(), Ok(vec![Some(day), None]));
}

#[test]
fn a_signature_as_an_argument_keeps_its_own_arguments_tagged() {
    #[derive(Debug, Deserialize)]
    struct Later {
        then: crate::celery::Call,
    }
    let wire = json!({
        "task": "add", "args": [{"__type__": "date", "__value__": "2030-01-02"}], "kwargs": {}, "options": {},
        "subtask_type": null, "immutable": false,
    });

    let later: Later = call(json!([wire]), json!({})).decode().unwrap();

    assert_eq!(serde_json::to_value(later.then).unwrap(), wire);
}

#[test]
fn errors_inside_lists_and_enums_quote_no_value_either() {
    let cases = [
        call(json!([["123456"]]), json!({})).decode::<Vec<i64>>().unwrap_err(),
        call(json!([{"a": "123456"}]), json!({}))
            .decode::<std::collections::HashMap<String, i64>>()
            .unwrap_err(),
        call(json!([["123456", {"123456": 1}]]), json!({})).decode::<Vec<Shape>>().unwrap_err(),
        call(json!([[1, 123_456, 3]]), json!({})).decode::<(u8, u8)>().unwrap_err(),
        call(json!([{"__type__": "date", "__value__": "123456"}]), json!({}))
            .decode::<jiff::civil::Date>()
            .unwrap_err(),
        call(json!([{"__type__": "decimal", "__value__": "123456x"}]), json!({}))
            .decode::<f64>()
            .unwrap_err(),
    ];
    for error in cases {
        assert!(!error.to_string().contains("123456"), "{error}");
    }
}

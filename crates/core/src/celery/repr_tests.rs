//! Held against what Celery 5.7's `saferepr` and Python's `repr` wrote for the same values.

use serde_json::json;

use super::*;

/// JSON, as tools show it, as Python writes it.
const CASES: [(&str, &str, &str); 30] = [
    ("null", "None", "None"),
    ("true", "True", "True"),
    ("-7", "-7", "-7"),
    ("2.5", "2.5", "2.5"),
    ("1.0", "1.0", "1.0"),
    ("-0.0", "-0.0", "-0.0"),
    ("1e16", "1e+16", "1e+16"),
    ("1e15", "1000000000000000.0", "1000000000000000.0"),
    ("123456789012345680.0", "1.2345678901234568e+17", "1.2345678901234568e+17"),
    ("0.0001", "0.0001", "0.0001"),
    ("0.00001", "1e-05", "1e-05"),
    ("1.5e-7", "1.5e-07", "1.5e-07"),
    ("18446744073709551615", "18446744073709551615", "18446744073709551615"),
    (r#""it's""#, r"'it\'s'", r#""it's""#),
    (r#""say \"hi\"""#, r#"'say "hi"'"#, r#"'say "hi"'"#),
    (r#""a\nb\\c""#, "'a\nb\\c'", r"'a\nb\\c'"),
    (r#""it's \"x\"""#, r#"'it\'s "x"'"#, r#"'it\'s "x"'"#),
    (r#"[1,"a",null]"#, "[1, 'a', None]", "[1, 'a', None]"),
    (r#"{"a":{"b":{"c":{"d":1}}}}"#, "{'a': {'b': {'c': {...}}}}", "{'a': {'b': {'c': {'d': 1}}}}"),
    ("[[[[1]]]]", "[[[[...]]]]", "[[[[1]]]]"),
    (
        r#"{"__type__":"datetime","__value__":"2030-01-02T03:04:05+00:00"}"#,
        "datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)",
        "datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)",
    ),
    (
        r#"{"__type__":"datetime","__value__":"2030-01-02T03:04:05.678000+08:00"}"#,
        "datetime.datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone(datetime.timedelta(seconds=28800)))",
        "datetime.datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone(datetime.timedelta(seconds=28800)))",
    ),
    (
        r#"{"__type__":"datetime","__value__":"2030-01-02T03:00:00-05:00"}"#,
        "datetime.datetime(2030, 1, 2, 3, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400)))",
        "datetime.datetime(2030, 1, 2, 3, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400)))",
    ),
    (
        r#"{"__type__":"datetime","__value__":"2030-01-02T00:00:00"}"#,
        "datetime.datetime(2030, 1, 2, 0, 0)",
        "datetime.datetime(2030, 1, 2, 0, 0)",
    ),
    (
        r#"{"__type__":"date","__value__":"2030-01-02"}"#,
        "datetime.date(2030, 1, 2)",
        "datetime.date(2030, 1, 2)",
    ),
    (
        r#"{"__type__":"time","__value__":"03:04:05.000007"}"#,
        "datetime.time(3, 4, 5, 7)",
        "datetime.time(3, 4, 5, 7)",
    ),
    (r#"{"__type__":"decimal","__value__":"1.50"}"#, "Decimal('1.50')", "Decimal('1.50')"),
    (
        r#"{"__type__":"uuid","__value__":{"hex":"00000000000000000000000000000001"}}"#,
        "UUID('00000000-0000-0000-0000-000000000001')",
        "UUID('00000000-0000-0000-0000-000000000001')",
    ),
    (r#"{"__type__":"bytes","__value__":"abc"}"#, "b'abc'", "b'abc'"),
    (r#"{"__type__":"base64","__value__":"/wA="}"#, "b'ff00'", r"b'\xff\x00'"),
];

#[test]
fn values_are_shown_and_written_as_python_does() {
    for (json, shown, written) in CASES {
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(repr(&value), shown, "{json}");
        assert_eq!(literal(&value), written, "{json}");
    }
}

#[test]
fn arguments_are_a_tuple_and_a_dict() {
    let cases = [
        (json!([]), json!({}), "()", "{}"),
        (json!(["a"]), json!({"k": ["a"]}), "('a',)", "{'k': ['a']}"),
        (json!(["a", 1]), json!({"k": 1, "l": null}), "('a', 1)", "{'k': 1, 'l': None}"),
    ];
    for (args, kwargs, shown_args, shown_kwargs) in cases {
        assert_eq!(args_repr(args.as_array().unwrap()), shown_args);
        assert_eq!(kwargs_repr(kwargs.as_object().unwrap()), shown_kwargs);
    }
}

#[test]
fn long_values_are_cut_where_celery_cuts_them() {
    let y = |n: usize| "y".repeat(n);
    let many: Vec<u32> = (0..2000).collect();
    let cases = [
        (json!([y(1020), 1, [2, [3]]]), format!("['{}', , ...]", y(1020))),
        (json!([y(1014), {"a": 1}]), format!("['{}', {{'a': , ...}}]", y(1014))),
        (json!([y(1030), 1]), format!("['{}...', ...]", y(1023))),
        (json!(["word ".repeat(204), "b"]), format!("['{}', , ...]", "word ".repeat(204))),
    ];
    for (value, expected) in cases {
        assert_eq!(repr(&value), expected);
    }
    assert!(repr(&json!(many)).starts_with("[0, 1, 2, "));
    assert!(repr(&json!(many)).ends_with(", ...]"));
}

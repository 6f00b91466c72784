//! JSON objects of texts, read strictly: every field is known, of its type, and there once. Forms become the same.
//!
//! It is read into these types and not by derived code, whose errors quote the value that they do not like, and whose
//! last of two equal fields wins.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ApiError;

/// The longest name of a field that is told back.
const MAX_NAME: usize = 32;

/// The fields of an object that have not been read yet.
#[derive(Debug)]
pub(super) struct Fields {
    /// What stands before a field's name when it is told.
    path: &'static str,
    values: Vec<(String, Json)>,
}

/// A value, as far as a request can have one.
enum Json {
    Null,
    Text(String),
    Object(Vec<(String, Json)>),
    Other,
}

impl Fields {
    /// Reads a body whose fields are all of `known`.
    pub(super) fn parse(body: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Json::Object(values)) => Self::checked("", values, known),
            Ok(_) => Err(ApiError::InvalidParameter("The body must be a JSON object.".into())),
            // The one error of ours in here.
            Err(error) if error.is_data() => {
                Err(ApiError::InvalidParameter("A field stands twice in one object.".into()))
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(ApiError::Malformed(format!("The body is not JSON at line {line}, column {column}.")))
            }
        }
    }

    /// Those pairs of a form or a query that are of `known`.
    pub(super) fn of_pairs(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, ApiError> {
        let mut values: Vec<(String, Json)> = Vec::new();
        for (name, value) in pairs.into_iter().filter(|(name, _)| known.contains(&name.as_str())) {
            if values.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::InvalidParameter(format!("`{name}` stands twice.")));
            }
            values.push((name, Json::Text(value)));
        }
        Ok(Self { path: "", values })
    }

    /// The text of a field that must be there.
    pub(super) fn text(&mut self, name: &str) -> Result<String, ApiError> {
        let path = self.path;
        let missing = || ApiError::InvalidParameter(format!("`{path}{name}` is missing."));
        self.optional_text(name)?.ok_or_else(missing)
    }

    /// The text of a field; `null` is as good as leaving it out.
    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            Json::Text(text) => Ok(Some(text)),
            Json::Null => Ok(None),
            _ => Err(ApiError::InvalidParameter(format!("`{}{name}` must be a text.", self.path))),
        }
    }

    /// The fields of an object, all of `known`. `path` is its name and a dot.
    pub(super) fn optional_object(
        &mut self,
        name: &str,
        path: &'static str,
        known: &[&str],
    ) -> Result<Option<Self>, ApiError> {
        match self.take(name) {
            Json::Object(values) => Self::checked(path, values, known).map(Some),
            Json::Null => Ok(None),
            _ => Err(ApiError::InvalidParameter(format!("`{}{name}` must be an object.", self.path))),
        }
    }

    fn checked(path: &'static str, values: Vec<(String, Json)>, known: &[&str]) -> Result<Self, ApiError> {
        let Some((name, _)) = values.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(Self { path, values });
        };
        // A name may be a number or a code that slipped into the wrong place.
        let tellable = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte));
        let what = if tellable { format!("`{path}{name}`") } else { "A field".into() };
        let known: Vec<String> = known.iter().map(|name| format!("`{path}{name}`")).collect();
        Err(ApiError::InvalidParameter(format!("{what} is not known here: use {}.", known.join(", "))))
    }

    fn take(&mut self, name: &str) -> Json {
        match self.values.iter().position(|(known, _)| known == name) {
            Some(index) => self.values.swap_remove(index).1,
            None => Json::Null,
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut values: Vec<(String, Json)> = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            if values.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("twice"));
            }
            values.push((name, value));
        }
        Ok(Json::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["to", "code", "signals"];

    fn parse(body: &str) -> Result<Fields, ApiError> {
        Fields::parse(body.as_bytes(), &KNOWN)
    }

    fn told(error: ApiError) -> String {
        match error {
            ApiError::Malformed(detail) => format!("malformed: {detail}"),
            ApiError::InvalidParameter(detail) => detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_are_read_by_name_and_null_is_nothing() {
        let mut fields = parse(r#"{"code": null, "signals": {"ip": "::1"}, "to": "\u002b86"}"#).unwrap();

        assert_eq!(fields.text("to").unwrap(), "+86");
        assert_eq!(fields.optional_text("code").unwrap(), None);
        let mut signals = fields.optional_object("signals", "signals.", &["ip"]).unwrap().unwrap();
        assert_eq!(signals.text("ip").unwrap(), "::1");
        assert_eq!(told(fields.text("to").unwrap_err()), "`to` is missing.");
        assert_eq!(told(signals.text("ip").unwrap_err()), "`signals.ip` is missing.");
    }

    #[test]
    fn of_pairs_only_the_known_are_read_and_none_may_stand_twice() {
        let of = |text: &str| {
            let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Fields::of_pairs(pairs, &KNOWN)
        };

        let mut fields = of("csrf=x&to=a&csrf=y&code=").unwrap();

        assert_eq!(fields.text("to").unwrap(), "a");
        assert_eq!(fields.text("code").unwrap(), "");
        assert_eq!(told(fields.text("csrf").unwrap_err()), "`csrf` is missing.");
        assert_eq!(told(of("to=a&to=a").unwrap_err()), "`to` stands twice.");
    }

    #[test]
    fn what_is_not_json_is_malformed_and_other_json_is_a_wrong_parameter() {
        let deep = "[".repeat(10_000);
        for body in ["", "{", "nope", r#"{"to": "a"} x"#, "{\"to\": \"a\nb\"}", r#"{"to": "\ud800"}"#, &deep]
        {
            let told = told(parse(body).unwrap_err());
            assert!(told.starts_with("malformed: The body is not JSON at line "), "{told}");
        }
        assert!(matches!(Fields::parse(b"{\"to\": \"\xff\"}", &KNOWN), Err(ApiError::Malformed(_))));
        for body in ["null", "[]", "5", "\"text\"", "true", "1.5", "-1"] {
            assert_eq!(told(parse(body).unwrap_err()), "The body must be a JSON object.");
        }
    }

    #[test]
    fn a_wrong_field_is_named_and_its_value_never_is() {
        for body in [r#"{"to": 13800138000}"#, r#"{"to": ["13800138000"]}"#, r#"{"to": {"13800138000": 1}}"#]
        {
            assert_eq!(told(parse(body).unwrap().text("to").unwrap_err()), "`to` must be a text.");
        }
        let signals = |body| parse(body)?.optional_object("signals", "signals.", &["ip"]);
        assert_eq!(told(signals(r#"{"signals": "x"}"#).unwrap_err()), "`signals` must be an object.");
        let unknown = told(signals(r#"{"signals": {"host": 1}}"#).unwrap_err());
        assert_eq!(unknown, "`signals.host` is not known here: use `signals.ip`.");
        for name in ["13800138000", "to\\u0000", "", &"a".repeat(33)] {
            let told = told(parse(&format!("{{\"{name}\": 1}}")).unwrap_err());
            assert_eq!(told, "A field is not known here: use `to`, `code`, `signals`.", "{name}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        for body in [r#"{"to": "a", "to": "b"}"#, r#"{"signals": {"ip": "a", "\u0069p": "b"}}"#] {
            assert_eq!(told(parse(body).unwrap_err()), "A field stands twice in one object.");
        }
    }
}

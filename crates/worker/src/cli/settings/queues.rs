//! `[[queues]]`: the queues of the configuration. What each key means stands in `config.default.toml`.

use std::collections::BTreeMap;

use postrider_core::broker::message::{Table, Value};
use postrider_core::broker::topology::{Bound, ExchangeKind, QueueSpec, QueueType, unclaimed, unusable};
use postrider_core::config::{ConfigError, QueueSection};
use serde::{Deserialize, Serialize};

/// The queues of a configuration: those that are consumed, and those that may be added by their name later.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(from = "Vec<QueueSettings>", into = "Vec<QueueSettings>")]
pub struct Queues {
    pub(super) chosen: Vec<QueueSettings>,
    unchosen: Vec<QueueSettings>,
}

/// One queue.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    pub(super) name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<QueueType>,
    owned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange_type: Option<ExchangeKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_key: Option<String>,
    #[serde(default, skip_serializing_if = "Arguments::is_empty")]
    binding_arguments: Arguments,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bindings: Vec<BindingSettings>,
}

/// A further binding: by a key on the queue's exchange, or to another exchange.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "a routing key, or a table with exchange, type, key and arguments")]
enum BindingSettings {
    Key(String),
    Elsewhere(Elsewhere),
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    exchange: String,
    #[serde(default, rename = "type")]
    kind: ExchangeKind,
    #[serde(default)]
    key: String,
    #[serde(default, skip_serializing_if = "Arguments::is_empty")]
    arguments: Arguments,
}

type Arguments = BTreeMap<String, Argument>;

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "a text, a whole number, true or false")]
enum Argument {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl From<Vec<QueueSettings>> for Queues {
    fn from(listed: Vec<QueueSettings>) -> Self {
        Self { chosen: listed, unchosen: Vec::new() }
    }
}

impl From<Queues> for Vec<QueueSettings> {
    fn from(queues: Queues) -> Self {
        queues.chosen
    }
}

impl Queues {
    /// `-Q` and `-X`: a name that is not listed is another program's queue.
    pub(super) fn choose(&mut self, chosen: Option<&[String]>, excluded: &[String]) {
        let listed = std::mem::take(&mut self.chosen);
        let queue = |name: &String| {
            let listed = listed.iter().find(|queue| queue.name == *name).cloned();
            listed.unwrap_or_else(|| QueueSettings::foreign(name))
        };
        self.chosen = chosen.map_or_else(|| listed.clone(), |chosen| chosen.iter().map(queue).collect());
        self.chosen.retain(|queue| !excluded.contains(&queue.name));
        let is_chosen = |queue: &QueueSettings| self.chosen.iter().any(|chosen| chosen.name == queue.name);
        self.unchosen = listed.into_iter().filter(|queue| !is_chosen(queue)).collect();
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.chosen.is_empty() {
            return Err(ConfigError::key("queues", "must name at least one queue"));
        }
        self.all().try_for_each(QueueSettings::check)
    }

    /// Descriptions of all of them.
    pub(super) fn known(&self, kind: QueueType) -> Vec<QueueSpec> {
        self.all().map(|queue| queue.spec(kind)).collect()
    }

    /// Descriptions of those that are consumed.
    pub(super) fn consumed(&self, kind: QueueType) -> impl Iterator<Item = QueueSpec> {
        self.chosen.iter().map(move |queue| queue.spec(kind))
    }

    fn all(&self) -> impl Iterator<Item = &QueueSettings> {
        self.chosen.iter().chain(&self.unchosen)
    }
}

impl QueueSettings {
    /// Another program's queue that is not described.
    fn foreign(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: None,
            owned: false,
            max_priority: None,
            exchange: None,
            exchange_type: None,
            routing_key: None,
            binding_arguments: Arguments::new(),
            bindings: Vec::new(),
        }
    }

    /// What is to be declared for it; `kind` is for those of ours that do not say theirs.
    fn spec(&self, kind: QueueType) -> QueueSpec {
        let unsaid = if self.owned { kind } else { QueueType::Classic };
        QueueSpec {
            name: self.name.clone(),
            kind: self.kind.unwrap_or(unsaid),
            owned: self.owned,
            max_priority: self.max_priority,
            bindings: self.bound(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.check_name()?;
        if self.max_priority == Some(0) {
            return Err(ConfigError::key("queues.max_priority", "must be 1 to 255"));
        }
        self.bound().iter().try_for_each(check_bound)
    }

    /// Another program names its queues as it likes, as far as AMQP carries the names that are made of them.
    fn check_name(&self) -> Result<(), ConfigError> {
        let Self { name, owned, .. } = self;
        if *owned {
            let section = QueueSection { name: name.clone(), kind: QueueType::Quorum, owned: true };
            return section.check("queues.name");
        }
        let start = || name.chars().take(32).collect::<String>();
        let refused = |reason: &str| Err(ConfigError::key("queues.name", format!("{:?} {reason}", start())));
        match unusable(name) {
            Some(reason) => refused(reason),
            None if name.is_empty() => refused("must not be empty"),
            None if unclaimed(name).len() > 255 => refused("is too long"),
            None => Ok(()),
        }
    }

    /// Its bindings beside the one to the exchange of its own name.
    fn bound(&self) -> Vec<Bound> {
        let plain = self.exchange.is_none() && self.exchange_type.is_none() && self.routing_key.is_none();
        let mut keys: Vec<&str> = self.routing_key.as_deref().into_iter().collect();
        let mut elsewhere = Vec::new();
        for binding in &self.bindings {
            match binding {
                BindingSettings::Key(key) => keys.push(key),
                BindingSettings::Elsewhere(Elsewhere { exchange, kind, key, arguments }) => {
                    elsewhere.push(Bound { arguments: table(arguments), ..Bound::new(exchange, *kind, key) });
                }
            }
        }
        if keys.is_empty() && !plain {
            keys.push(&self.name);
        }
        let exchange = self.exchange.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.name);
        let kind = self.exchange_type.unwrap_or_default();
        let arguments = table(&self.binding_arguments);
        let by_key = |key| Bound { arguments: arguments.clone(), ..Bound::new(exchange, kind, key) };
        keys.into_iter().map(by_key).chain(elsewhere).collect()
    }
}

fn check_bound(Bound { exchange, kind, key, arguments }: &Bound) -> Result<(), ConfigError> {
    if let Some(long) = [exchange, key].into_iter().find(|name| name.len() > 255) {
        let start: String = long.chars().take(32).collect();
        return Err(ConfigError::key("queues", format!("{start:?}… is longer than 255 bytes")));
    }
    let compares = |name: &String| !name.starts_with("x-");
    if *kind == ExchangeKind::Headers && !arguments.keys().any(compares) {
        let reason = format!(
            "a binding to the headers exchange {exchange:?} needs arguments that say which messages it takes: without \
             any it takes all"
        );
        return Err(ConfigError::key("queues", reason));
    }
    Ok(())
}

fn table(arguments: &Arguments) -> Table {
    let value = |argument: &Argument| match argument {
        Argument::Bool(value) => Value::Bool(*value),
        Argument::Number(value) => Value::I64(*value),
        Argument::Text(value) => Value::Str(value.clone()),
    };
    arguments.iter().map(|(name, argument)| (name.clone(), value(argument))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_programs_queue_has_any_name_that_amqp_carries_and_ours_a_plain_one() {
        for name in ["tenant:high", "app/default", "émail", &"x".repeat(200)] {
            assert!(QueueSettings::foreign(name).check().is_ok(), "{name}");
            assert!(
                QueueSettings { owned: true, ..QueueSettings::foreign(name) }.check().is_ok()
                    == name.starts_with('x')
            );
        }
        for name in ["", "postrider.probe", "sms.returned", &"x".repeat(201)] {
            assert!(QueueSettings::foreign(name).check().is_err(), "{name}");
        }
    }

    fn queue(toml: &str) -> QueueSettings {
        let value: serde_json::Value = serde_json::from_str(toml).unwrap();
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_queue_is_described_as_python_describes_one() {
        let plain = queue(r#"{"name": "sms", "owned": true}"#).spec(QueueType::Quorum);
        let shop = queue(
            r#"{"name": "news", "owned": false, "max_priority": 9, "exchange": "shop", "exchange_type": "topic",
                "routing_key": "news.#", "bindings": ["mail.#"]}"#,
        )
        .spec(QueueType::Quorum);

        assert_eq!(plain, QueueSpec::owned("sms"));
        let bound = |key: &str| Bound::new("shop", ExchangeKind::Topic, key);
        let expected = QueueSpec {
            max_priority: Some(9),
            bindings: vec![bound("news.#"), bound("mail.#")],
            ..QueueSpec::foreign("news")
        };
        assert_eq!(shop, expected);
    }

    #[test]
    fn a_queue_is_bound_to_several_exchanges_and_to_one_of_headers_only_with_arguments() {
        let bound = |toml: &str| queue(toml).bound();
        let several = r#"{"name": "q", "owned": false, "bindings": [
            {"exchange": "all", "type": "fanout"},
            {"exchange": "typed", "type": "headers", "arguments": {"x-match": "any", "kind": "news", "level": 3}}
        ]}"#;
        let headers = |arguments: &str| {
            let text = format!(
                r#"{{"name": "q", "owned": false, "exchange": "typed", "exchange_type": "headers",
                    "binding_arguments": {{{arguments}}}}}"#
            );
            queue(&text).check()
        };

        let arguments = [
            ("kind".to_owned(), Value::Str("news".into())),
            ("level".to_owned(), Value::I64(3)),
            ("x-match".to_owned(), Value::Str("any".into())),
        ];
        let typed = Bound { arguments: arguments.into(), ..Bound::new("typed", ExchangeKind::Headers, "") };
        assert_eq!(bound(several), [Bound::new("all", ExchangeKind::Fanout, ""), typed]);
        assert!(headers(r#""kind": "news""#).is_ok());
        for nothing in ["", r#""x-match": "all""#] {
            assert!(headers(nothing).is_err(), "{nothing}");
        }
    }
}

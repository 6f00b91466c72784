//! `[[queues]]`: the queues of the configuration. What each key means stands in `config.default.toml`.

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bindings: Vec<String>,
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
        let names = self.exchange.iter().chain(&self.routing_key).chain(&self.bindings);
        if let Some(long) = names.into_iter().find(|name| name.len() > 255) {
            let start: String = long.chars().take(32).collect();
            return Err(ConfigError::key("queues", format!("{start:?}… is longer than 255 bytes")));
        }
        Ok(())
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
        if plain && self.bindings.is_empty() {
            return Vec::new();
        }
        let exchange = self.exchange.clone().filter(|name| !name.is_empty());
        let first = self.routing_key.clone().or_else(|| self.bindings.is_empty().then(|| self.name.clone()));
        let keys = first.into_iter().chain(self.bindings.iter().cloned());
        keys.map(|key| Bound {
            exchange: exchange.clone().unwrap_or_else(|| self.name.clone()),
            kind: self.exchange_type.unwrap_or_default(),
            key,
        })
        .collect()
    }
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
        let bound = |key: &str| Bound { exchange: "shop".into(), kind: ExchangeKind::Topic, key: key.into() };
        let expected = QueueSpec {
            max_priority: Some(9),
            bindings: vec![bound("news.#"), bound("mail.#")],
            ..QueueSpec::foreign("news")
        };
        assert_eq!(shop, expected);
    }
}

//! Values of `[worker]` that are more than a number: read once, and written as they were.

use serde::{Deserialize, Serialize};

use crate::{Autoscale, PoolKind};

/// A pool by one of its names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct PoolChoice {
    pub kind: PoolKind,
    written: String,
}

/// `--autoscale`: two numbers, the larger one the maximum; one is the maximum with a minimum of none. Empty: none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct AutoscaleChoice {
    pub range: Option<Autoscale>,
    written: String,
}

impl PoolChoice {
    /// What the commented defaults say.
    pub(super) fn unchosen() -> Self {
        Self { kind: PoolKind::Async, written: "async".into() }
    }

    pub(super) fn threads() -> Self {
        Self { kind: PoolKind::Threads, written: "threads".into() }
    }

    /// What differs from Celery's pool of that name.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self.written.as_str() {
            "prefork" | "processes" => Some(
                "the pool is one of threads, in one process: a task that passes its hard time limit fails, and is \
                 ended where it waits; a blocking one goes on in a thread that is given up",
            ),
            "eventlet" | "gevent" => Some("the pool is this worker's own for asynchronous tasks"),
            _ => None,
        }
    }
}

impl TryFrom<String> for PoolChoice {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let kind = match written.as_str() {
            "async" | "eventlet" | "gevent" => PoolKind::Async,
            "threads" | "prefork" | "processes" => PoolKind::Threads,
            "solo" => PoolKind::Solo,
            _ => {
                return Err(format!(
                    "worker.pool is async, threads or solo, or one of Celery's names, not {written:?}"
                ));
            }
        };
        Ok(Self { kind, written })
    }
}

impl From<PoolChoice> for String {
    fn from(choice: PoolChoice) -> Self {
        choice.written
    }
}

impl TryFrom<String> for AutoscaleChoice {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let wrong = || format!("worker.autoscale is written as \"10,3\", not {written:?}");
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let range = match written.split_once(',') {
            _ if written.is_empty() => None,
            Some((one, other)) => Some(Autoscale::new(number(one)?, number(other)?)),
            None => Some(Autoscale::new(number(&written)?, 0)),
        };
        Ok(Self { range, written })
    }
}

impl From<AutoscaleChoice> for String {
    fn from(choice: AutoscaleChoice) -> Self {
        choice.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_written_as_celery_writes_it() {
        let read = |text: &str| AutoscaleChoice::try_from(text.to_owned()).map(|choice| choice.range);

        assert_eq!(read(""), Ok(None));
        for text in ["10,3", "3,10", "3, 10"] {
            assert_eq!(read(text), Ok(Some(Autoscale { max: 10, min: 3 })), "{text}");
        }
        assert_eq!(read("10"), Ok(Some(Autoscale { max: 10, min: 0 })));
        assert!(read("10,3,1").is_err() && read("many").is_err());
    }

    #[test]
    fn a_pool_has_celerys_names_too_and_says_what_differs() {
        for (name, kind, differs) in [
            ("async", PoolKind::Async, false),
            ("gevent", PoolKind::Async, true),
            ("threads", PoolKind::Threads, false),
            ("prefork", PoolKind::Threads, true),
            ("solo", PoolKind::Solo, false),
        ] {
            let choice = PoolChoice::try_from(name.to_owned()).unwrap();
            assert_eq!((choice.kind, choice.note().is_some()), (kind, differs), "{name}");
        }
        assert!(PoolChoice::try_from("custom".to_owned()).unwrap_err().contains("worker.pool"));
    }
}

//! What can be typed: the commands, their arguments, and what a person reads about them.

use serde_json::{Map, Value, json};

/// Whether a command changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// It tells something.
    Inspect,
    /// It does something.
    Control,
}

/// A command that can be typed.
#[derive(Debug, Clone, Copy)]
pub struct Typed {
    /// Whether it changes anything.
    pub kind: CommandKind,
    /// Its name.
    pub name: &'static str,
    /// What follows it, for a person.
    pub usage: &'static str,
    /// What it does, for a person.
    pub help: &'static str,
    arguments: &'static [(&'static str, Type)],
    /// The argument that takes all that is left.
    rest: Option<&'static str>,
}

/// What an argument is read as.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Whole,
    Seconds,
    Truth,
}

/// Why what was typed is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// There is none of that name.
    #[error("Command {0} not recognized. Available commands: {1}")]
    Unknown(String, String),
    /// Its arguments are others.
    #[error("Command '{0}' takes arguments: {1}")]
    Arguments(&'static str, &'static str),
}

const fn inspect(name: &'static str, help: &'static str) -> Typed {
    Typed { kind: CommandKind::Inspect, name, usage: "", help, arguments: &[], rest: None }
}

const fn control(name: &'static str, help: &'static str) -> Typed {
    Typed { kind: CommandKind::Control, ..inspect(name, help) }
}

const fn takes(usage: &'static str, arguments: &'static [(&'static str, Type)], typed: Typed) -> Typed {
    Typed { usage, arguments, ..typed }
}

const fn all(usage: &'static str, rest: &'static str, typed: Typed) -> Typed {
    Typed { usage, rest: Some(rest), ..typed }
}

/// The commands, sorted by kind and name.
pub const COMMANDS: [Typed; 29] = [
    inspect("active", "List of tasks currently being executed."),
    inspect("active_queues", "List the task queues a worker is currently consuming from."),
    inspect("clock", "Get current logical clock value."),
    takes(
        "[include_defaults=False]",
        &[("with_defaults", Type::Truth)],
        inspect("conf", "List configuration."),
    ),
    inspect("memdump", "Show how much memory a worker uses."),
    inspect("memsample", "Show how much memory a worker uses."),
    inspect("ping", "Ping worker(s)."),
    all("[id1 [id2 [... [idN]]]]", "ids", inspect("query_task", "Query for task information by id.")),
    all("[attr1 [attr2 [... [attrN]]]]", "taskinfoitems", inspect("registered", "List of registered tasks.")),
    inspect("report", "Information about the worker for bug reports."),
    inspect("reserved", "List of currently reserved tasks, not including scheduled/active."),
    inspect("revoked", "List of revoked task-ids."),
    inspect("scheduled", "List of currently scheduled ETA/countdown tasks."),
    inspect("stats", "Request worker statistics/information."),
    takes(
        "<queue> [exchange [type [routing_key]]]",
        &[
            ("queue", Type::Text),
            ("exchange", Type::Text),
            ("exchange_type", Type::Text),
            ("routing_key", Type::Text),
        ],
        control("add_consumer", "Tell worker(s) to consume from task queue by name."),
    ),
    takes(
        "[max [min]]",
        &[("max", Type::Whole), ("min", Type::Whole)],
        control("autoscale", "Modify autoscale settings."),
    ),
    takes(
        "<queue>",
        &[("queue", Type::Text)],
        control("cancel_consumer", "Tell worker(s) to stop consuming from task queue by name."),
    ),
    control("disable_events", "Tell worker(s) to stop sending task-related events."),
    control("enable_events", "Tell worker(s) to send task-related events."),
    control("heartbeat", "Tell worker(s) to send event heartbeat immediately."),
    takes("[N=1]", &[("n", Type::Whole)], control("pool_grow", "Grow pool by n places.")),
    control("pool_restart", "Restart execution pool."),
    takes("[N=1]", &[("n", Type::Whole)], control("pool_shrink", "Shrink pool by n places.")),
    takes(
        "<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
        &[("task_name", Type::Text), ("rate_limit", Type::Text)],
        control("rate_limit", "Tell worker(s) to modify the rate limit for a task by type."),
    ),
    all("[id1 [id2 [... [idN]]]]", "task_id", control("revoke", "Revoke task by task id (or list of ids).")),
    all(
        "[key1=value1 [key2=value2 [... [keyN=valueN]]]]",
        "headers",
        control("revoke_by_stamped_headers", "Revoke task by header (or list of headers)."),
    ),
    control("shutdown", "Shutdown worker(s)."),
    all(
        "<signal> [id1 [id2 [... [idN]]]]",
        "task_id",
        takes(
            "",
            &[("signal", Type::Text)],
            control("terminate", "Terminate task by task id (or list of ids)."),
        ),
    ),
    takes(
        "<task_name> <soft_secs> [hard_secs]",
        &[("task_name", Type::Text), ("soft", Type::Seconds), ("hard", Type::Seconds)],
        control("time_limit", "Tell worker(s) to modify the time limit for task by type."),
    ),
];

impl Typed {
    /// Reads what was typed after the name.
    pub(super) fn read(&self, typed: &[String]) -> Result<Map<String, Value>, UsageError> {
        let wrong = || UsageError::Arguments(self.name, self.usage);
        if self.rest.is_none() && typed.len() > self.arguments.len() {
            return Err(wrong());
        }
        let mut arguments = Map::new();
        for ((name, kind), text) in self.arguments.iter().zip(typed) {
            arguments.insert((*name).to_owned(), kind.read(text).ok_or_else(wrong)?);
        }
        if let Some(rest) = self.rest {
            let left: Vec<&String> = typed.iter().skip(self.arguments.len()).collect();
            arguments.insert(rest.to_owned(), json!(left));
        }
        Ok(arguments)
    }
}

impl Type {
    fn read(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Text => text.into(),
            Self::Whole => text.parse::<i64>().ok()?.into(),
            Self::Seconds => text.parse::<f64>().ok().filter(|seconds| seconds.is_finite())?.into(),
            Self::Truth => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => true.into(),
                "false" | "no" | "off" | "0" => false.into(),
                _ => return None,
            },
        })
    }
}

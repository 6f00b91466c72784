//! `inspect`, `control` and `status` as Celery's command line has them, without Python: what a person types becomes a
//! request, and the replies become the text that Celery prints.

mod commands;
mod printed;

use std::time::Duration;

use postrider_core::broker::InquiryError;
use postrider_core::celery::control::{Reply, Request};
use postrider_core::remote::Remote;
use serde_json::{Map, Value, json};

pub use commands::{COMMANDS, CommandKind, Typed, UsageError};
use printed::{indent, pretty};

/// A command with its arguments, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientCommand {
    kind: CommandKind,
    request: Request,
    /// `status`, which is a ping that shows no answers.
    brief: bool,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What Celery would print.
    pub text: String,
    /// How many nodes answered. Celery ends with an error when none did.
    pub nodes: usize,
}

impl ClientCommand {
    /// Reads what was typed. An empty `destination` is all nodes.
    pub fn parse(
        kind: CommandKind,
        name: &str,
        arguments: &[String],
        destination: Vec<String>,
    ) -> Result<Self, UsageError> {
        let of_kind = || COMMANDS.iter().filter(|typed| typed.kind == kind);
        let unknown = || {
            let names: Vec<&str> = of_kind().map(|typed| typed.name).collect();
            UsageError::Unknown(name.to_owned(), names.join(", "))
        };
        let typed = of_kind().find(|typed| typed.name == name).ok_or_else(unknown)?;
        let request = Request::new(name, typed.read(arguments)?).to(destination);
        Ok(Self { kind, request, brief: false })
    }

    /// `celery status`: which nodes are there.
    pub fn status(destination: Vec<String>) -> Self {
        let request = Request::new("ping", Map::new()).to(destination);
        Self { kind: CommandKind::Inspect, request, brief: true }
    }

    /// Asks the nodes, and waits `patience` for each further answer.
    pub async fn run(
        self,
        remote: &Remote,
        patience: Duration,
        json: bool,
    ) -> Result<Answered, InquiryError> {
        let replies = remote.call(self.request.clone(), patience).await?;
        let nodes = replies.len();
        let text = match (nodes, json) {
            (0, _) => "Error: No nodes replied within time constraint".to_owned(),
            (_, true) => self.as_json(replies),
            (_, false) => self.as_text(&replies),
        };
        Ok(Answered { text, nodes })
    }

    fn as_json(&self, replies: Vec<Reply>) -> String {
        match self.kind {
            CommandKind::Inspect => {
                let by_node: Map<String, Value> =
                    replies.into_iter().map(|reply| (reply.node, reply.value)).collect();
                Value::Object(by_node).to_string()
            }
            CommandKind::Control => {
                let replies: Vec<Value> =
                    replies.into_iter().map(|reply| json!({reply.node: reply.value})).collect();
                Value::Array(replies).to_string()
            }
        }
    }

    fn as_text(&self, replies: &[Reply]) -> String {
        let mut lines = Vec::new();
        for Reply { node, value, .. } in replies {
            let (status, text) = pretty(value);
            lines.push(format!("->  {node}: {status}"));
            if !self.brief && !text.is_empty() {
                lines.push(indent(&text));
            }
        }
        if self.kind == CommandKind::Inspect {
            let nodes = if replies.len() == 1 { "node" } else { "nodes" };
            lines.push(format!("\n{} {nodes} online.", replies.len()));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: CommandKind, line: &str) -> Result<Map<String, Value>, UsageError> {
        let mut words = line.split(' ').map(str::to_owned);
        let name = words.next().unwrap();
        let arguments: Vec<String> = words.collect();
        ClientCommand::parse(kind, &name, &arguments, Vec::new()).map(|command| command.request.arguments)
    }

    #[test]
    fn what_is_typed_becomes_the_arguments_that_celery_sends() {
        for (line, arguments) in [
            ("revoke a b", json!({"task_id": ["a", "b"]})),
            ("terminate KILL a", json!({"signal": "KILL", "task_id": ["a"]})),
            ("time_limit add 30 60", json!({"task_name": "add", "soft": 30.0, "hard": 60.0})),
            ("rate_limit add 10/m", json!({"task_name": "add", "rate_limit": "10/m"})),
            ("pool_grow 3", json!({"n": 3})),
            ("pool_shrink", json!({})),
            ("add_consumer q", json!({"queue": "q"})),
        ] {
            assert_eq!(parse(CommandKind::Control, line).map(Value::Object), Ok(arguments), "{line}");
        }
        assert!(parse(CommandKind::Control, "pool_grow many").is_err());
        assert!(parse(CommandKind::Control, "pool_grow 1 2").is_err());
        assert!(parse(CommandKind::Inspect, "shutdown").unwrap_err().to_string().contains("active_queues"));
    }

    #[test]
    fn answers_are_printed_as_celery_prints_them() {
        let reply = |value: Value| [Reply { node: "w1@h".into(), value, clock: 1 }];
        let inspect = |value: Value| {
            let command = ClientCommand::parse(CommandKind::Inspect, "stats", &[], Vec::new()).unwrap();
            command.as_text(&reply(value))
        };

        assert_eq!(inspect(json!({"ok": "pong"})), "->  w1@h: OK\n        pong\n\n1 node online.");
        assert_eq!(inspect(json!([])), "->  w1@h: OK\n    - empty -\n\n1 node online.");
        assert_eq!(
            inspect(json!(["add", {"id": "x"}])),
            "->  w1@h: OK\n    * add\n    * {'id': 'x'}\n\n1 node online."
        );
        assert_eq!(
            inspect(json!({"b": 1, "a": {}})),
            "->  w1@h: OK\n    {\n        \"a\": {},\n        \"b\": 1\n    }\n\n1 node online."
        );
        assert_eq!(
            ClientCommand::status(Vec::new()).as_text(&reply(json!({"ok": "pong"}))),
            "->  w1@h: OK\n\n1 node online."
        );
        let control = ClientCommand::parse(CommandKind::Control, "pool_restart", &[], Vec::new()).unwrap();
        assert_eq!(control.as_text(&reply(json!({"error": "x"}))), "->  w1@h: ERROR\n        x");
    }
}

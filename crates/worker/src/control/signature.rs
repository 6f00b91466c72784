//! The commands and their arguments, so that a call that does not fit one is answered as Python answers it.

use serde_json::{Map, Value};

use super::raised::Raised;

/// A command's name and arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// An older name that clients still use.
    alias: Option<&'static str>,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    /// Whether arguments that it does not know are ignored.
    open: bool,
}

const fn command(
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Signature {
    Signature { name, alias: None, required, optional, open: true }
}

const fn closed(signature: Signature) -> Signature {
    Signature { open: false, ..signature }
}

const fn alias(alias: &'static str, signature: Signature) -> Signature {
    Signature { alias: Some(alias), ..signature }
}

const SIGNATURES: [Signature; 32] = [
    alias("dump_active", command("active", &[], &["safe"])),
    closed(command("active_queues", &[], &[])),
    command("add_consumer", &["queue"], &["exchange", "exchange_type", "routing_key"]),
    closed(command("autoscale", &[], &["max", "min"])),
    command("cancel_consumer", &["queue"], &[]),
    command("clock", &[], &[]),
    alias("dump_conf", command("conf", &[], &["with_defaults"])),
    closed(command("disable_events", &[], &[])),
    command("election", &["id", "topic"], &["action"]),
    closed(command("enable_events", &[], &[])),
    closed(command("heartbeat", &[], &[])),
    command("hello", &["from_node"], &["revoked"]),
    command("memdump", &[], &["samples"]),
    command("memsample", &[], &[]),
    closed(command("objgraph", &[], &["num", "max_depth", "type"])),
    command("ping", &[], &[]),
    command("pool_grow", &[], &["n"]),
    command("pool_restart", &[], &["modules", "reload", "reloader"]),
    command("pool_shrink", &[], &["n"]),
    command("query_task", &["ids"], &[]),
    command("rate_limit", &["task_name", "rate_limit"], &[]),
    alias("dump_tasks", command("registered", &[], &["taskinfoitems", "builtins"])),
    closed(command("report", &[], &[])),
    alias("dump_reserved", command("reserved", &[], &[])),
    command("revoke", &["task_id"], &["terminate", "signal"]),
    command("revoke_by_stamped_headers", &["headers"], &["terminate", "signal"]),
    alias("dump_revoked", command("revoked", &[], &[])),
    alias("dump_schedule", command("scheduled", &[], &[])),
    command("shutdown", &[], &["msg"]),
    command("stats", &[], &[]),
    command("terminate", &["signal", "task_id"], &[]),
    command("time_limit", &[], &["task_name", "hard", "soft"]),
];

/// Finds the command of that name, and checks that the arguments fit.
pub(super) fn find(method: &str, arguments: &Map<String, Value>) -> Result<&'static Signature, Raised> {
    let named = |signature: &&Signature| signature.name == method || signature.alias == Some(method);
    let signature = SIGNATURES.iter().find(named).ok_or_else(|| Raised::key_error(method))?;
    signature.check(arguments)?;
    Ok(signature)
}

impl Signature {
    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Raised> {
        let known = |name: &&str| self.required.contains(name) || self.optional.contains(name);
        if !self.open
            && let Some(unknown) = arguments.keys().map(String::as_str).find(|name| !known(name))
        {
            let text = format!("{}() got an unexpected keyword argument '{unknown}'", self.name);
            return Err(Raised::type_error(&text));
        }
        let missing: Vec<&str> =
            self.required.iter().copied().filter(|name| !arguments.contains_key(*name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Raised::type_error(&self.lacks(&missing))) }
    }

    /// Python's text, with its commas.
    fn lacks(&self, missing: &[&str]) -> String {
        let quoted: Vec<String> = missing.iter().map(|name| format!("'{name}'")).collect();
        let (plural, names) = match quoted.as_slice() {
            [one] => ("", one.clone()),
            [one, two] => ("s", format!("{one} and {two}")),
            [first @ .., last] => ("s", format!("{}, and {last}", first.join(", "))),
            [] => ("s", String::new()),
        };
        let count = missing.len();
        format!("{}() missing {count} required positional argument{plural}: {names}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(method: &str, arguments: Value) -> Result<&'static str, String> {
        let Value::Object(arguments) = arguments else { unreachable!("a test gives an object") };
        find(method, &arguments).map(|signature| signature.name).map_err(|raised| raised.repr())
    }

    #[test]
    fn a_call_that_does_not_fit_is_answered_in_pythons_words() {
        assert_eq!(found("dump_tasks", json!({})), Ok("registered"));
        assert_eq!(found("ping", json!({"bogus": 1})), Ok("ping"));
        for (method, arguments, error) in [
            ("no_such_method", json!({}), "KeyError('no_such_method')"),
            (
                "rate_limit",
                json!({}),
                "TypeError(\"rate_limit() missing 2 required positional arguments: 'task_name' and 'rate_limit'\")",
            ),
            (
                "rate_limit",
                json!({"task_name": "add"}),
                "TypeError(\"rate_limit() missing 1 required positional argument: 'rate_limit'\")",
            ),
            (
                "enable_events",
                json!({"x": 1}),
                "TypeError(\"enable_events() got an unexpected keyword argument 'x'\")",
            ),
        ] {
            assert_eq!(found(method, arguments), Err(error.to_owned()));
        }
    }
}

//! Commands that keep tasks from running, or stop them.
//!
//! Celery terminates a task by a signal to its process. Here a task is stopped where it next waits for something; one
//! that runs on a thread and never asks is given up, and its thread runs on. Whatever the signal, the effect is the same.

use std::str::FromStr as _;
use std::sync::Arc;

use nix::sys::signal::Signal;
use postrider_core::celery::repr::literal;
use serde_json::{Map, Value};

use super::panel::{Panel, names, truth};
use super::raised::{Raised, ok};
use crate::revoked::matching;
use crate::tracker::Tracked;

impl Panel {
    pub(super) async fn revoke(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let ids = names(&arguments["task_id"]);
        self.observer.revoked.add(ids.clone());
        let held = self.held(&ids);
        let running = |id: &String| held.iter().any(|tracked| tracked.is_active() && tracked.id == *id);
        let unstarted: Vec<String> = ids.iter().filter(|id| !running(id)).cloned().collect();
        let answer = if truth(arguments.get("terminate")) {
            self.terminate_known(&ids, &held, signal_number(arguments.get("signal"))?)
        } else {
            tracing::info!(tasks = %ids.join(", "), "tasks are revoked");
            format!("tasks {} flagged as revoked", set(&ids))
        };
        // At last: what runs is not to run on while the store is slow.
        self.controls.store_revoked(&unstarted).await;
        Ok(ok(answer))
    }

    /// Stops those of these tasks that are known here. One that waits for its place is not run when it gets it.
    fn terminate_known(&self, ids: &[String], held: &[Arc<Tracked>], signal: u8) -> String {
        for tracked in held {
            tracked.terminate(signal);
        }
        let waiting = self.controls.waiting();
        let known =
            |id: &&String| held.iter().map(Arc::as_ref).chain(&waiting).any(|tracked| tracked.id == **id);
        let terminated: Vec<&str> = ids.iter().filter(known).map(String::as_str).collect();
        tracing::info!(tasks = %terminated.join(", "), signal, "tasks are terminated by remote control");
        match terminated.as_slice() {
            [] => "terminate: tasks unknown".to_owned(),
            ids => format!("terminate: {}", ids.join(", ")),
        }
    }

    pub(super) async fn terminate(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let mut arguments = arguments.clone();
        arguments.insert("terminate".into(), true.into());
        self.revoke(&arguments).await
    }

    pub(super) fn revoke_by_stamped_headers(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let signal = signal_number(arguments.get("signal"))?;
        let headers = stamped_headers(&arguments["headers"])?;
        for (name, values) in &headers {
            self.observer.revoked.add_stamps(name, &listed(values));
        }
        let shown = literal(&Value::Object(headers.clone()));
        if !truth(arguments.get("terminate")) {
            return Ok(ok(format!("headers {shown} flagged as revoked, but not terminated")));
        }
        let mut terminated: Vec<(String, Vec<String>)> = Vec::new();
        for tracked in self.observer.tracker.held().iter().filter(|tracked| tracked.is_active()) {
            let Some(stamps) = tracked.stamps() else { continue };
            for (name, values) in &headers {
                let stamp = stamps.get(name);
                let found = stamp.map(|stamp| matching(stamp, &listed(values))).unwrap_or_default();
                if !found.is_empty() {
                    let found = found.iter().map(literal).collect();
                    add(&mut terminated, name, found);
                    tracked.terminate(signal);
                }
            }
        }
        if terminated.is_empty() {
            return Ok(ok(format!("headers {shown} were not terminated")));
        }
        let sets: Vec<String> =
            terminated.iter().map(|(name, values)| format!("'{name}': {{{}}}", values.join(", "))).collect();
        // Celery shows its dictionary as Python does.
        Ok(ok(format!("headers defaultdict(<class 'set'>, {{{}}}) revoked", sets.join(", "))))
    }

    /// Those of these tasks that this worker knows, running or not.
    fn held(&self, ids: &[String]) -> Vec<Arc<Tracked>> {
        let tracker = &self.observer.tracker;
        let later = tracker.scheduled(self.observer.clock.now()).into_iter().map(|(_, tracked)| tracked);
        tracker.held().into_iter().chain(later).filter(|tracked| ids.contains(&tracked.id)).collect()
    }
}

/// The number of a signal that is named, as `SIGTERM` or `TERM`, or given as its number; SIGTERM if nothing is said.
fn signal_number(signal: Option<&Value>) -> Result<u8, Raised> {
    let number = match signal {
        None | Some(Value::Null) => Some(15),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        Some(Value::String(name)) if name.is_empty() => Some(15),
        Some(Value::String(name)) if name.chars().any(char::is_lowercase) => None,
        Some(Value::String(name)) => {
            let name = if name.starts_with("SIG") { name.clone() } else { format!("SIG{name}") };
            let unknown = || Raised::attribute_error(&format!("module 'signal' has no attribute '{name}'"));
            let signal = Signal::from_str(&name).map_err(|_| unknown())?;
            u8::try_from(signal as i32).ok()
        }
        Some(_) => None,
    };
    number.ok_or_else(|| Raised::type_error("signal name must be uppercase string."))
}

/// Stamps by name; a command line sends them as `name=value`.
fn stamped_headers(headers: &Value) -> Result<Map<String, Value>, Raised> {
    match headers {
        Value::Object(headers) => Ok(headers.clone()),
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| {
                let (name, value) = pair
                    .as_str()
                    .and_then(|pair| pair.split_once('='))
                    .ok_or_else(|| Raised::index_error("list index out of range"))?;
                Ok((name.to_owned(), value.split('=').next().unwrap_or_default().into()))
            })
            .collect(),
        other => {
            let kind = if other.is_string() { "str" } else { "NoneType" };
            Err(Raised::attribute_error(&format!("'{kind}' object has no attribute 'items'")))
        }
    }
}

fn listed(values: &Value) -> Vec<Value> {
    match values {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    }
}

fn add(terminated: &mut Vec<(String, Vec<String>)>, name: &str, values: Vec<String>) {
    match terminated.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => {
            let new: Vec<String> = values.into_iter().filter(|value| !known.contains(value)).collect();
            known.extend(new);
        }
        None => terminated.push((name.to_owned(), values)),
    }
}

/// A set of texts as Python shows it.
fn set(texts: &[String]) -> String {
    if texts.is_empty() {
        return "set()".into();
    }
    let quoted: Vec<String> = texts.iter().map(|text| literal(&text.as_str().into())).collect();
    format!("{{{}}}", quoted.join(", "))
}

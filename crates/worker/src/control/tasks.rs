//! Commands that change how tasks are run.

use std::time::Duration;

use postrider_core::celery::repr::literal;
use serde_json::{Map, Value};

use super::panel::{Panel, truth};
use super::raised::{Raised, nok, ok};
use crate::rate_limit::{Rate, RateError};

impl Panel {
    pub(super) fn rate_limit(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let rate = &arguments["rate_limit"];
        let read = match Rate::read(rate) {
            Ok(read) => read,
            Err(error @ RateError::Number(_)) => {
                return Ok(nok(format!("Invalid rate limit string: {error}")));
            }
            Err(RateError::Unit(unit)) => return Err(Raised::key_error(&unit)),
        };
        let Some(task) = self.known_task(&arguments["task_name"]) else { return Ok(nok("unknown task")) };
        let text = rate.as_str().map_or_else(|| literal(rate), str::to_owned);
        self.controls.limit_rate(&task, read, &text);
        if truth(Some(rate)) {
            tracing::info!(task.name = %task, rate = %text, "a rate limit is set by remote control");
            Ok(ok("new rate limit set successfully"))
        } else {
            tracing::info!(task.name = %task, "a rate limit is lifted by remote control");
            Ok(ok("rate limit disabled successfully"))
        }
    }

    pub(super) fn time_limit(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let Some(task) = arguments.get("task_name").and_then(|name| self.known_task(name)) else {
            return Ok(nok("unknown task"));
        };
        let (soft, hard) = (limit(arguments.get("soft"))?, limit(arguments.get("hard"))?);
        self.controls.limit_time(&task, soft, hard);
        tracing::info!(task.name = %task, ?soft, ?hard, "time limits are set by remote control");
        Ok(ok("time limits set successfully"))
    }

    fn known_task(&self, name: &Value) -> Option<String> {
        let name = name.as_str()?;
        self.controls.tasks().iter().any(|task| task.name == name).then(|| name.to_owned())
    }
}

/// A limit in seconds. None is given for none, and Flower gives 0.
fn limit(seconds: Option<&Value>) -> Result<Option<Duration>, Raised> {
    match seconds {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let unreadable = || Raised::value_error(&format!("not a time in seconds: {}", literal(value)));
            Ok(Some(seconds.ok_or_else(unreadable)?).filter(|limit| !limit.is_zero()))
        }
    }
}

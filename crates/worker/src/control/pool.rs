//! Commands that change the size of the pool.

use serde_json::{Map, Value};

use super::controls::Refused;
use super::panel::Panel;
use super::raised::{Raised, nok, ok};

impl Panel {
    pub(super) fn pool_grow(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let places = count(arguments.get("n"))?.unwrap_or(1);
        self.resized("pool_grow", "pool will grow", &self.controls.grow(places))
    }

    pub(super) fn pool_shrink(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let places = count(arguments.get("n"))?.unwrap_or(1);
        self.resized("pool_shrink", "pool will shrink", &self.controls.shrink(places))
    }

    pub(super) fn autoscale(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let (max, min) = (count(arguments.get("max"))?, count(arguments.get("min"))?);
        match self.controls.autoscale(max, min) {
            Ok((max, min)) => Ok(ok(format!("autoscale now max={max} min={min}"))),
            Err(_) => Err(Raised::value_error("Autoscale not enabled")),
        }
    }

    fn resized(&self, command: &str, done: &str, resized: &Result<(), Refused>) -> Result<Value, Raised> {
        match resized {
            Ok(()) => {
                tracing::info!(places = self.controls.pool().places, "the pool is resized by remote control");
                Ok(ok(done))
            }
            Err(Refused::Autoscaled) => {
                Ok(nok(format!("{command} is not supported with autoscale. Adjust autoscale range instead.")))
            }
            Err(Refused::Busy) => Err(Raised::value_error("Can't shrink pool. All processes busy!")),
            Err(Refused::NotAutoscaled) => Err(Raised::value_error("Autoscale not enabled")),
            Err(Refused::Solo) => {
                let method = command.trim_start_matches("pool_");
                Err(Raised::attribute_error(&format!("'TaskPool' object has no attribute '{method}'")))
            }
        }
    }
}

/// A number of places. Command lines send it as a number, some tools as text.
fn count(value: Option<&Value>) -> Result<Option<usize>, Raised> {
    let read = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    read.map(Some)
        .ok_or_else(|| Raised::value_error("the number of places must be a whole number, 0 or more"))
}

//! `[control]`: remote control and events.

use std::path::PathBuf;
use std::time::Duration;

use postrider_core::broker::Namespace;
use postrider_core::celery::Serializer;
use postrider_core::config::duration_text;
use serde::{Deserialize, Serialize};

use crate::ControlOptions;

/// `[control]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as Celery has it")]
pub struct ControlSection {
    enabled: bool,
    exchange: String,
    event_exchange: String,
    serializer: Serializer,
    task_events: bool,
    #[serde(with = "duration_text")]
    heartbeat: Duration,
    gossip: bool,
    mingle: bool,
}

impl ControlSection {
    /// The exchanges.
    pub fn namespace(&self) -> Namespace {
        Namespace { control: self.exchange.clone(), events: self.event_exchange.clone() }
    }

    /// What requests are written with.
    pub fn serializer(&self) -> Serializer {
        self.serializer
    }

    pub(super) fn exchange(&self) -> &str {
        &self.exchange
    }

    pub(super) fn event_exchange(&self) -> &str {
        &self.event_exchange
    }

    pub(super) fn options(&self, state_file: Option<PathBuf>) -> ControlOptions {
        ControlOptions {
            enabled: self.enabled,
            namespace: self.namespace(),
            serializer: self.serializer,
            task_events: self.task_events,
            heartbeat: (!self.heartbeat.is_zero()).then_some(self.heartbeat),
            gossip: self.gossip,
            mingle: self.mingle,
            state_file,
        }
    }
}

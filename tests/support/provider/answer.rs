//! How a request is answered, and whether a real receiver would have sent the SMS.

use std::time::Duration;

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) reply: Reply,
    pub(super) retry_after: Option<u64>,
    pub(super) held: bool,
    pub(super) latency: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Status(u16, String),
    Silence,
    HangUp,
}

impl Answer {
    /// Taken: 200.
    pub fn taken() -> Self {
        Self::status(200)
    }

    /// That status; a 2xx is taken.
    pub fn status(status: u16) -> Self {
        Self::body(status, "{}")
    }

    /// That status and JSON.
    pub fn body(status: u16, json: &str) -> Self {
        Self::new(Reply::Status(status, json.into()))
    }

    /// Takes the message and never answers.
    pub fn silence() -> Self {
        Self::new(Reply::Silence)
    }

    /// Takes the message and closes the connection without an answer.
    pub fn hang_up() -> Self {
        Self::new(Reply::HangUp)
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Waits for [`Provider::release`](super::Provider::release) first.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Answers only after this time, as a provider far away does.
    #[must_use]
    pub fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    fn new(reply: Reply) -> Self {
        Self { reply, retry_after: None, held: false, latency: Duration::ZERO }
    }

    pub(super) fn takes(&self) -> bool {
        !matches!(self.reply, Reply::Status(status, _) if !(200..300).contains(&status))
    }
}

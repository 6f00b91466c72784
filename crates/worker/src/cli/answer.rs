//! What a command answers: a text, or how it failed.

use std::process::ExitCode;

use postrider_core::config::{ConfigError, EX_CONFIG};

/// The exit code of a question that nobody answered: `EX_UNAVAILABLE` of sysexits.h, as Celery's tools have it.
const EX_UNAVAILABLE: u8 = 69;
/// The exit code of a command that is not there: `EX_USAGE`.
const EX_USAGE: u8 = 64;

/// How a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration: exit code 78.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No worker answered: exit code 69.
    #[error("{0}")]
    Unanswered(String),
    /// The command is another: exit code 64.
    #[error("{0}")]
    Usage(String),
    /// Anything else: exit code 1.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => EX_CONFIG.into(),
            Self::Unanswered(_) => EX_UNAVAILABLE.into(),
            Self::Usage(_) => EX_USAGE.into(),
            Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

/// A command's answer.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub fn print(text: &str) {
    println!("{text}");
}

/// The last words of a command.
#[expect(clippy::print_stderr, reason = "the last words of a command; logging may not have started")]
pub fn print_failure(program: &str, failure: &Failure) {
    eprintln!("{program}: {failure}");
}

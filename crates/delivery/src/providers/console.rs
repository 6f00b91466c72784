//! Prints the SMS on the terminal instead of sending it.
//!
//! The number and the code are shown whole, for this is how a developer reads them: it is for the machine of whoever
//! writes the program, never for production. It writes to standard output and not through `tracing`, so that no code
//! reaches a log file, a collector or a log's own redaction.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Class, Failure, Outcome, Provider, Receipt, SendRequest};

/// The provider that prints.
pub struct Console {
    out: Mutex<Box<dyn Write + Send>>,
}

impl Console {
    /// Prints on standard output.
    pub fn stdout() -> Self {
        Self::new(std::io::stdout())
    }

    /// Prints on `out`, for example into a buffer.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Mutex::new(Box::new(out)) }
    }

    /// One write for the whole block, so that blocks of concurrent sends do not mix.
    fn print(&self, block: &str) -> std::io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(block.as_bytes())?;
        out.flush()
    }
}

#[async_trait]
impl Provider for Console {
    fn name(&self) -> &'static str {
        "console"
    }

    /// No: the same message sent twice is printed twice.
    fn dedupes(&self) -> bool {
        false
    }

    /// Accepts whatever can be printed. A terminal that is gone is a failure, not a panic as it is for `println!`.
    async fn send(&self, request: &SendRequest) -> Outcome {
        match self.print(&block(request)) {
            Ok(()) => Outcome::Accepted(Receipt::default()),
            Err(error) => Failure::new(Class::Ambiguous, "stdout", &error.to_string()).into(),
        }
    }
}

fn block(request: &SendRequest) -> String {
    let lines = [
        format!("SMS to {}", request.to.e164()),
        format!("Your code is {}. It is valid for {} minutes.", request.code.expose(), request.minutes),
        format!("purpose {}, attempt {}, task {}", request.purpose, request.attempt, request.id),
    ];
    // A control character would let a purpose or an id from outside move the cursor or recolour the terminal.
    let lines = lines.map(|line| line.replace(char::is_control, "?"));
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let rule = format!("+{}+\n", "-".repeat(width + 2));
    let [to, text, origin] = lines.map(|line| format!("| {line:<width$} |\n"));
    format!("{rule}{to}{text}{origin}{rule}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::providers::double;

    #[test]
    fn the_whole_message_stands_in_one_box() {
        let request = SendRequest { id: "t-1".into(), purpose: "log\x1b[2Jin".into(), ..double::request(2) };

        assert_eq!(
            block(&request),
            "+-------------------------------------------------+\n\
             | SMS to +8613800138000                           |\n\
             | Your code is 123456. It is valid for 5 minutes. |\n\
             | purpose log?[2Jin, attempt 2, task t-1          |\n\
             +-------------------------------------------------+\n"
        );
    }

    #[tokio::test]
    async fn a_terminal_that_is_gone_is_a_failure_and_no_panic() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let printed = Console::new(Vec::new()).send(&double::request(1)).await;
        let gone = Console::new(Gone).send(&double::request(1)).await;

        assert_eq!(printed, Outcome::Accepted(Receipt::default()));
        assert!(matches!(gone, Outcome::Unknown(failure) if failure.code == "stdout"));
    }
}

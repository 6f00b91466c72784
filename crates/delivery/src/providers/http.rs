//! The one HTTP client: its limits, and what a failed exchange says about whether the message went out.
//!
//! 1. No address, no connection, no TLS: nothing was written, so the attempt is refused as [`Class::NotSent`].
//! 2. Anything that goes wrong later may have happened after the provider had the whole request, so it is
//!    [`Class::Ambiguous`], never "try again".
//! 3. A whole answer, whatever its status, is for the provider's own module to read.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use postrider_core::clock::Clock;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, IntoUrl, Response, redirect, retry};

use super::{Class, Failure, ProviderConfigError};

/// How long an idle connection is kept: below Node's five seconds, the shortest keep-alive among common servers. A
/// connection that the peer is just closing would turn a good request into an unknown outcome.
const IDLE: Duration = Duration::from_secs(4);
/// Longest answer that is read. Providers answer with less than a kilobyte.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Longest `Retry-After` that is believed; codes are long dead by then.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// A header of a request: its name in lower case, and its value.
pub(super) type Header = (&'static str, String);

/// Sends one request at a time for a provider, each at most once.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: Client,
    clock: Clock,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl HttpClient {
    /// The client with the timeouts of a provider's table. Fails where the system has no usable certificate store.
    pub(super) fn new(
        table: &str,
        connect_timeout: Duration,
        timeout: Duration,
        clock: Clock,
    ) -> Result<Self, ProviderConfigError> {
        // A total that ran out while connecting would look like a request that may have been sent.
        if connect_timeout.is_zero() || connect_timeout >= timeout {
            let reason = format!("must be more than zero and less than {table}.timeout");
            return Err(ProviderConfigError::invalid(format!("{table}.connect_timeout"), reason));
        }
        let client = Client::builder()
            .connect_timeout(connect_timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            // A request has its connection for itself: one that breaks makes one outcome unknown, not a hundred.
            .http1_only()
            // Repeating is the task's business, which counts and records it.
            .retry(retry::never())
            // A redirect would carry the code to an address that nobody configured.
            .redirect(redirect::Policy::none())
            // HTTP_PROXY in the environment must not decide who reads the codes.
            .no_proxy()
            .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ProviderConfigError::Client)?;
        Ok(Self { client, clock })
    }

    /// Posts a body and reads the whole answer.
    pub(super) async fn post(
        &self,
        url: impl IntoUrl,
        headers: &[Header],
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(failure)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| parse_retry_after(value, self.clock.now()));
        let body = read(response).await.map_err(|failure| Failure { http: Some(status), ..failure })?;
        Ok(Answer { status, retry_after, body })
    }
}

impl Answer {
    /// A failure that was answered so; the caller sets its class.
    pub(super) fn failure(&self, code: impl Into<String>, message: &str) -> Failure {
        Failure {
            http: Some(self.status),
            retry_after: self.retry_after,
            ..Failure::new(Class::of_status(self.status), code, message)
        }
    }

    /// The failure that the status alone stands for.
    pub(super) fn status_failure(&self) -> Failure {
        self.failure(format!("http_{}", self.status), "the answer holds no code of the provider")
    }
}

/// The answer's body. A longer one than any provider sends is cut off, and then cannot be read as JSON.
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        let room = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    Ok(body)
}

fn failure(error: reqwest::Error) -> Failure {
    let (class, code) = if error.is_builder() {
        (Class::RequestBug, "request")
    } else if error.is_connect() {
        (Class::NotSent, "connect")
    } else if error.is_timeout() {
        (Class::Ambiguous, "timeout")
    } else {
        (Class::Ambiguous, "interrupted")
    };
    // The URL goes first: it holds the account, the signature or a receiver's secret path.
    Failure::new(class, code, &causes(&error.without_url()))
}

fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3). A date in the past is no wait.
fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::double::Double;

    const SOON: Duration = Duration::from_millis(500);
    const LATE: Duration = Duration::from_secs(10);

    fn client(timeout: Duration) -> HttpClient {
        HttpClient::new("x", timeout / 2, timeout, Clock::System).unwrap()
    }

    async fn post(client: &HttpClient, url: &str) -> Result<Answer, Failure> {
        client.post(url, &[("x-test", "yes".into())], b"body".to_vec()).await
    }

    fn kind(result: Result<Answer, Failure>) -> (Class, String) {
        let failure = result.unwrap_err();
        (failure.class, failure.code)
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_and_a_redirect_is_not_followed() {
        let (double, client) = (Double::start().await, client(LATE));
        let url = double.url("/x");

        let headers = "302 Found\r\nLocation: /elsewhere\r\nRetry-After: 7";
        let (answer, received) = tokio::join!(post(&client, &url), double.answer(headers, "text"));

        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (302, b"text".as_slice()));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(received.line, "POST /x HTTP/1.1");
        assert_eq!((received.header("x-test"), received.body.as_slice()), (Some("yes"), b"body".as_slice()));
        assert!(received.header("user-agent").unwrap().starts_with("postrider/"));
        assert_eq!(received.header("cookie"), None);
    }

    #[tokio::test]
    async fn nothing_was_sent_when_nobody_listens_or_tls_fails() {
        let client = client(LATE);
        let refused = post(&client, &Double::closed_port().await).await;

        let double = Double::start().await;
        let url = double.url("/").replace("http://", "https://");
        let (not_tls, ()) = tokio::join!(post(&client, &url), double.babble());

        assert_eq!(kind(refused), (Class::NotSent, "connect".into()));
        assert_eq!(kind(not_tls), (Class::NotSent, "connect".into()));
        assert_eq!(kind(post(&client, "no address").await), (Class::RequestBug, "request".into()));
    }

    #[tokio::test]
    async fn whatever_breaks_after_the_request_was_written_is_ambiguous() {
        let double = Double::start().await;
        let url = double.url("/");

        let hasty = client(SOON);
        let (silence, _) = tokio::join!(post(&hasty, &url), double.silence());
        let patient = client(LATE);
        let (closed, _) = tokio::join!(post(&patient, &url), double.reset(b""));
        let (in_head, _) = tokio::join!(post(&patient, &url), double.reset(b"HTTP/1.1 200 OK\r\nContent-"));
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        let (in_body, _) = tokio::join!(post(&patient, &url), double.reset(half));
        let (short, _) = tokio::join!(post(&patient, &url), double.hang_up(half));

        assert_eq!(kind(silence), (Class::Ambiguous, "timeout".into()));
        assert_eq!(kind(closed), (Class::Ambiguous, "interrupted".into()));
        assert_eq!(kind(in_head), (Class::Ambiguous, "interrupted".into()));
        assert_eq!(kind(in_body), (Class::Ambiguous, "interrupted".into()));
        assert_eq!(short.as_ref().unwrap_err().http, Some(200));
        assert_eq!(kind(short), (Class::Ambiguous, "interrupted".into()));
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off_and_an_error_never_shows_the_address() {
        let (double, client) = (Double::start().await, client(LATE));
        let url = double.url("/");
        let long = "x".repeat(LONGEST_ANSWER + 1);

        let (answer, _) = tokio::join!(post(&client, &url), double.answer("200 OK", &long));
        let refused = post(&client, &format!("{}/s3cret?sig=ABC", Double::closed_port().await)).await;

        assert_eq!(answer.unwrap().body.len(), LONGEST_ANSWER);
        let message = refused.unwrap_err().message;
        assert!(message.contains("refused") && !message.contains("s3cret"), "{message}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        let parse = |value| parse_retry_after(value, now).map(|wait| wait.as_secs());

        assert_eq!(parse("120"), Some(120));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(parse("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0));
        assert_eq!(parse("99999999"), Some(LONGEST_RETRY_AFTER.as_secs()));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }
}

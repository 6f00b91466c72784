//! A provider double: takes every SMS after a wait, counts them, and knows when each number's arrived.
//!
//! It shares the processors with what is measured, so it does no more of HTTP than the clients here need.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::asks::FIRST;

/// The secret that our worker signs with; the double does not check it.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What it says to everything.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}";

/// The double. The drop ends it.
pub(crate) struct Provider {
    address: SocketAddr,
    seen: Arc<Seen>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    taken: AtomicU64,
    /// Arrivals by number, counted from the first one.
    arrivals: Mutex<Vec<Option<Instant>>>,
    repeated: AtomicU64,
    odd: AtomicU64,
}

impl Provider {
    /// Listens on a free port and answers after `wait`.
    pub(crate) async fn start(wait: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&seen), wait));
        Ok(Self { address, seen, _server: server })
    }

    /// Where SMS are posted to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/sms", self.address)
    }

    /// How many SMS it has taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.seen.taken.load(Ordering::Relaxed)
    }

    /// When each number's SMS arrived, counted from the first number. An error if one came twice, or was none.
    pub(crate) fn arrivals(&self) -> anyhow::Result<Vec<Option<Instant>>> {
        let (repeated, odd) = (&self.seen.repeated, &self.seen.odd);
        let (repeated, odd) = (repeated.load(Ordering::Relaxed), odd.load(Ordering::Relaxed));
        anyhow::ensure!(repeated == 0, "{repeated} SMS were sent twice");
        anyhow::ensure!(odd == 0, "{odd} requests were no SMS");
        Ok(self.seen.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>, wait: Duration) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        stream.set_nodelay(true).ok();
        let seen = Arc::clone(&seen);
        connections.spawn(async move {
            // A client may hang up whenever it likes.
            converse(stream, &seen, wait).await.ok();
        });
    }
}

/// HTTP/1.1 with `content-length`, one request after the other.
async fn converse(mut stream: TcpStream, seen: &Seen, wait: Duration) -> std::io::Result<()> {
    let mut input = BytesMut::with_capacity(4096);
    while stream.read_buf(&mut input).await? > 0 {
        while let Some((head, body)) = lengths(&input) {
            while input.len() < head + body {
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            }
            seen.note(&input[head..head + body], Instant::now());
            input.advance(head + body);
            tokio::time::sleep(wait).await;
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}

/// How long the head and the body of the first request are, once its head is there.
fn lengths(input: &[u8]) -> Option<(usize, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(input) else {
        return None;
    };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    Some((head, length.unwrap_or(0)))
}

impl Seen {
    fn note(&self, body: &[u8], at: Instant) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        let Some(index) = number(body).and_then(|number| usize::try_from(number.checked_sub(FIRST)?).ok())
        else {
            self.odd.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        if arrivals.len() <= index {
            arrivals.resize(index + 1, None);
        }
        if arrivals[index].replace(at).is_some() {
            self.repeated.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The national number in `"to": "…"`, found without reading the rest.
fn number(body: &[u8]) -> Option<u64> {
    let to = body.windows(5).position(|part| part == br#""to":"#)?;
    let digits: Vec<u8> = body[to + 5..]
        .iter()
        .copied()
        .skip_while(|byte| !byte.is_ascii_digit())
        .take_while(u8::is_ascii_digit)
        .collect();
    let national = digits.get(digits.len().checked_sub(11)?..)?;
    std::str::from_utf8(national).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_the_bodies_of_both_workers() {
        let ours = br#"{"id":"1","to":"+8613800138000","code":"123456","minutes":5}"#;
        let python = br#"{"to": "13800138000", "code": "123456", "minutes": 5}"#;

        assert_eq!(number(ours), Some(13_800_138_000));
        assert_eq!(number(python), Some(13_800_138_000));
        assert_eq!(number(br#"{"code": "123456"}"#), None);
        assert_eq!(number(br#"{"to": "138"}"#), None);
    }
}

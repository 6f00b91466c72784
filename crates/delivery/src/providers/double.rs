//! A provider for the tests: a loopback port that takes one request at a time and ends it as it is told.
//!
//! It speaks bytes, not HTTP, so that it can also break off, stay silent or answer nonsense.

use postrider_core::code::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::SendRequest;

/// The message that every test sends.
pub(super) fn request(attempt: u32) -> SendRequest {
    SendRequest {
        id: "5d5fd53c-3b85-4c9f-b6b0-b6b2f1ac3f5d".into(),
        to: String::from("+8613800138000").try_into().unwrap(),
        code: Code::parse("123456").unwrap(),
        minutes: 5,
        purpose: "login".into(),
        attempt,
    }
}

pub(super) struct Double(TcpListener);

/// A request as it came over the wire.
pub(super) struct Received {
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Double {
    pub(super) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The address of a port that nobody listens on.
    pub(super) async fn closed_port() -> String {
        Self::start().await.url("")
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().unwrap())
    }

    /// Takes a request and answers it. `status` may go on with headers.
    pub(super) async fn answer(&self, status: &str, body: &str) -> Received {
        let (mut stream, received) = self.take().await;
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        // The client may have stopped reading, which is what a test is about.
        stream.write_all(answer.as_bytes()).await.ok();
        received
    }

    /// Takes a request and says nothing until the client hangs up.
    pub(super) async fn silence(&self) -> Received {
        let (mut stream, received) = self.take().await;
        stream.read_to_end(&mut Vec::new()).await.ok();
        received
    }

    /// Takes a request, answers a part and resets the connection.
    pub(super) async fn reset(&self, part: &[u8]) -> Received {
        let (mut stream, received) = self.take().await;
        stream.write_all(part).await.unwrap();
        stream.set_zero_linger().unwrap();
        received
    }

    /// Takes a request, answers a part and closes the connection in good order.
    pub(super) async fn hang_up(&self, part: &[u8]) -> Received {
        let (mut stream, received) = self.take().await;
        stream.write_all(part).await.unwrap();
        received
    }

    /// Answers what is not TLS.
    pub(super) async fn babble(&self) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        stream.write_all(b"220 good day\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    }

    async fn take(&self) -> (TcpStream, Received) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let mut bytes = Vec::new();
        let head = loop {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the client hung up");
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let (line, rest) = text.split_once("\r\n").unwrap();
        let headers = rest.lines().map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut received = Received { line: line.to_owned(), headers, body: bytes.split_off(head + 4) };
        let length: usize = received.header("content-length").unwrap().parse().unwrap();
        while received.body.len() < length {
            assert_ne!(stream.read_buf(&mut received.body).await.unwrap(), 0, "the client hung up");
        }
        (stream, received)
    }
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

//! Just enough HTTP/1.1 for one client: requests with a length, one after the other on a connection.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A whole request.
pub(super) struct Received {
    head: String,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// A header's value; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        let named = |line: &str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| named(line)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim())
    }
}

/// The next request; `None` when the client has closed. `rest` keeps what was read beyond it.
pub(super) async fn receive(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        match rest.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => more(stream, rest).await?,
        }
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    let mut received = Received { head, body: Vec::new() };
    let length: usize = received.header("content-length").parse().unwrap_or_default();
    while rest.len() < end + length {
        more(stream, rest).await?;
    }
    received.body = rest[end..end + length].to_vec();
    rest.drain(..end + length);
    Some(received)
}

pub(super) async fn reply(
    stream: &mut TcpStream,
    status: u16,
    retry_after: Option<u64>,
    body: &str,
) -> io::Result<()> {
    let wait = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    let reply = format!("HTTP/1.1 {status} Scripted\r\n{wait}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(reply.as_bytes()).await
}

async fn more(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(rest).await.ok()?;
    (read > 0).then_some(())
}

//! One connection of the load generator: HTTP/1.1, kept alive as long as the server does.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::CONNECTION;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A connection, opened when it is needed.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Moves the bytes of the open connection; ends with it.
    driver: JoinSet<()>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, sender: None, driver: JoinSet::new() }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        let mut sender = self.sender().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.headers.get(CONNECTION).is_none_or(|value| value != "close") {
            self.sender = Some(sender);
        }
        Ok(Response::from_parts(head, body))
    }

    async fn sender(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut open) = self.sender.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        self.driver.abort_all();
        while self.driver.try_join_next().is_some() {}
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong on the way is what the request on it ends with.
        self.driver.spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

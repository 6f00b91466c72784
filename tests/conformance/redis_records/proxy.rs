//! Between a store and its Redis: a network that loses answers, or is late.

use std::net::{Ipv4Addr, SocketAddr};

use deadpool_redis::redis::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections. What befalls the network befalls those that are open then; later ones are in order.
pub(super) struct Proxy {
    server: String,
    address: SocketAddr,
    network: watch::Sender<Network>,
    _listener: JoinSet<()>,
}

/// Connections are numbered from 0.
#[derive(Debug, Default)]
struct Network {
    opened: usize,
    /// The connections before this one break instead of the next answer.
    losing: usize,
    /// What the connections before this one are asked does not come to the server...
    late: usize,
    /// ...before it does.
    arrived: bool,
    /// How many answers such connections had.
    answered: usize,
}

impl Proxy {
    /// Before the server of this URL.
    pub(super) async fn before(url: &str) -> Self {
        let server = Client::open(url).unwrap().get_connection_info().addr().to_string();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, network) = (listener.local_addr().unwrap(), watch::Sender::default());
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, server.clone(), network.clone()));
        Self { server, address, network, _listener: listening }
    }

    /// The same URL through the proxy.
    pub(super) fn url(&self, url: &str) -> String {
        url.replacen(&self.server, &self.address.to_string(), 1)
    }

    /// The server does what it is asked next, and nobody hears of it.
    pub(super) fn lose_the_answer(&self) {
        self.network.send_modify(|network| network.losing = network.opened);
    }

    /// What is asked next comes to the server when [`arrive`](Self::arrive) says so.
    pub(super) fn be_late(&self) {
        self.network.send_modify(|network| {
            *network = Network { late: network.opened, arrived: false, answered: 0, ..*network };
        });
    }

    /// What was late comes to the server; returns when it has answered.
    pub(super) async fn arrive(&self) {
        self.network.send_modify(|network| network.arrived = true);
        self.network.subscribe().wait_for(|network| network.answered > 0).await.unwrap();
    }
}

async fn listen(listener: TcpListener, server: String, network: watch::Sender<Network>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(&server).await.unwrap();
        let number = network.borrow().opened;
        network.send_modify(|network| network.opened += 1);
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        connections.spawn(ask(number, from_client, to_server, network.subscribe()));
        connections.spawn(answer(number, from_server, to_client, network.clone()));
    }
}

/// The end of either direction is passed on; what has been asked is answered all the same.
async fn ask(
    number: usize,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let open = network.wait_for(|network| number >= network.late || network.arrived).await.is_ok();
        if !open || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn answer(
    number: usize,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    network: watch::Sender<Network>,
) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        network.send_if_modified(|network| {
            let late = number < network.late;
            network.answered += usize::from(late);
            late
        });
        if number < network.borrow().losing {
            return;
        }
        // Who was late has been given up.
        to.write_all(&bytes[..count]).await.ok();
    }
}

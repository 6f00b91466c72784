//! Where the api listens: on the sockets that systemd passes, else on `http.listen`.
//!
//! A socket of systemd's outlives the process, so that connections wait in it while the api is replaced. Whichever it
//! is, without apps only an address that other machines cannot reach is taken.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use postrider_core::config::ConfigError;
use tokio::net::TcpSocket;

use crate::app::RunError;
use crate::auth::Apps;
use crate::config::may_listen;

/// Connections that wait to be accepted. The standard library's 128 are soon full, and who finds them full comes again
/// a second later.
const BACKLOG: u32 = 1024;

/// Takes the sockets that systemd passes to this process (`LISTEN_FDS`, for `LISTEN_PID`); none where there are none.
///
/// It changes the environment, so it is called before any thread is started.
pub fn inherited() -> Result<Vec<TcpListener>, ConfigError> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for place in 0..passed.len() {
        sockets.extend(passed.take_tcp_listener(place).map_err(|error| unfit(&error.to_string()))?);
    }
    Ok(sockets)
}

/// What to serve on: the sockets that were inherited, else the port of `http.listen`.
///
/// # Panics
/// Outside of a Tokio runtime.
pub(crate) fn take(
    inherited: Vec<TcpListener>,
    listen: SocketAddr,
    apps: &Apps,
) -> Result<Vec<TcpListener>, RunError> {
    if inherited.is_empty() {
        return Ok(vec![bind(listen, apps)?]);
    }
    for socket in &inherited {
        let address = socket.local_addr().map_err(|error| unfit(&error.to_string()))?;
        may_listen(address, apps).map_err(|error| unfit(&error.to_string()))?;
        tracing::info!(http.listen = %address, "taken over from systemd, in place of http.listen");
    }
    Ok(inherited)
}

fn unfit(reason: &str) -> ConfigError {
    ConfigError::Value(format!(
        "a socket that systemd passed (ListenStream= of the socket unit) cannot be served on: {reason}"
    ))
}

/// Takes the port. Without apps only one that other machines cannot reach.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn bind(listen: SocketAddr, apps: &Apps) -> Result<TcpListener, RunError> {
    may_listen(listen, apps)?;
    let take = || -> io::Result<TcpListener> {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        socket.listen(BACKLOG)?.into_std()
    };
    take().map_err(|source| RunError::Listen { listen, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_apps_no_port_is_taken_that_others_can_reach() {
        let error = bind("0.0.0.0:0".parse().unwrap(), &Apps::open()).unwrap_err();
        assert!(error.to_string().starts_with("http.listen: "), "{error}");
    }
}

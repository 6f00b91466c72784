//! One of our processes as systemd would start it: on sockets that it is handed, telling how it fares.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use postrider_tests::servers::{Proc, bin, eventually};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// The sockets come in as standard input and output, since no safe code passes any other. They become the descriptors
/// 3 and 4, and `LISTEN_PID` the number of the process that the shell turns into.
const HAND_OVER: &str =
    r#"exec 3<&0 4<&1 </dev/null >&2; export LISTEN_PID=$$; [ "$LISTEN_FDS" = 2 ] || exec 4<&-; exec "$@""#;

/// `Backlog=` of postrider-api.socket.
const BACKLOG: u32 = 4096;

/// A process, and what it has told so far.
pub(crate) struct Service {
    pub(crate) process: Proc,
    told: Vec<String>,
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Service {
    /// Starts the binary with that configuration.
    pub(crate) fn start(name: &str, config: &Path, more: &[&str]) -> Self {
        Self::start_on(&bin(name), config, more, Vec::new())
    }

    /// The same with any binary of ours, on up to two sockets.
    pub(crate) fn start_on(binary: &Path, config: &Path, more: &[&str], sockets: Vec<OwnedFd>) -> Self {
        let (folder, path, socket) = notify_socket();
        let count = sockets.len();
        assert!(count <= 2, "a process has no more than two descriptors to pass sockets in");
        let mut args: Vec<OsString> = Vec::new();
        if count > 0 {
            args.extend(["-c", HAND_OVER, "sh"].map(OsString::from));
            args.push(binary.into());
        }
        args.extend(["--config".into(), config.into()]);
        args.extend(more.iter().map(OsString::from));
        let mut env = vec![("NOTIFY_SOCKET", path.into_os_string())];
        if count > 0 {
            env.push(("LISTEN_FDS", count.to_string().into()));
        }
        let program = if count > 0 { Path::new("/bin/sh") } else { binary };
        let mut sockets = sockets.into_iter().map(Stdio::from);
        let (stdin, stdout) =
            (sockets.next().unwrap_or_else(Stdio::null), sockets.next().unwrap_or_else(Stdio::piped));
        let process = Proc::run_on(program, args, env, stdin, stdout);
        Self { process, told: Vec::new(), socket, _folder: folder }
    }

    /// Each message so far, its lines in one text.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        self.told.clone()
    }

    /// Whether it has said so, as a line of its own.
    pub(crate) fn has_said(&mut self, line: &str) -> bool {
        self.told().iter().any(|message: &String| message.lines().any(|told| told == line))
    }

    /// The latest status.
    pub(crate) fn status(&mut self) -> String {
        let status = |message: &String| {
            message.lines().find_map(|line| line.strip_prefix("STATUS=")).map(str::to_owned)
        };
        self.told().iter().rev().find_map(status).unwrap_or_default()
    }

    /// Waits for that line, as long as the process runs.
    pub(crate) async fn says(&mut self, line: &str, within: Duration) -> bool {
        eventually(within, async || self.has_said(line) || !self.process.is_running()).await;
        self.has_said(line)
    }

    /// Waits for a status.
    pub(crate) async fn has_status(&mut self, fits: impl Fn(&str) -> bool, within: Duration) -> bool {
        eventually(within, async || fits(&self.status())).await
    }
}

/// A listening socket of the test's own on a free port of that address, with the backlog of the shipped socket unit.
pub(crate) fn listening(host: Ipv4Addr) -> (TcpListener, String) {
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind((host, 0).into())?;
        socket.listen(BACKLOG)?.into_std()
    };
    let socket: TcpListener = listen().expect("the interface has a free port");
    let address = socket.local_addr().expect("it is bound").to_string();
    (socket, address)
}

fn notify_socket() -> (TempDir, PathBuf, UnixDatagram) {
    let folder = tempfile::Builder::new().prefix("notify.").tempdir().expect("the temp folder is writable");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("the path is free");
    socket.set_nonblocking(true).expect("a socket can be told so");
    (folder, path, socket)
}

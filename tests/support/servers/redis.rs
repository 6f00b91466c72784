//! A Redis that one test owns, so that it may stop, kill, freeze and restart it, or configure it wrongly.

use std::{
    fs::{self, File},
    io,
    net::Ipv4Addr,
    path::Path,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    eventually, free_port,
    guard::{Guard, guarded},
};

const START_TIME: Duration = Duration::from_secs(20);
const STOP_TIME: Duration = Duration::from_secs(20);

/// A running or stopped Redis, on one port and with one data folder for all of its life.
pub struct Redis {
    server: Option<Guard>,
    port: u16,
    options: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// For [`start_with`](Self::start_with): a restart finds what was written, even after a kill.
    pub const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

    /// Starts an empty server that evicts nothing and forgets everything when it stops.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more options, which win over ours: `&["--maxmemory-policy", "allkeys-lru"]`.
    pub async fn start_with(options: &[&str]) -> Self {
        let before = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"];
        Self::launched([&before, options].concat()).await
    }

    /// A server with the settings of a file; where it listens and keeps its data is ours to say.
    pub async fn start_from(file: &Path, options: &[&str]) -> Self {
        Self::launched([&[&*file.to_string_lossy()], options].concat()).await
    }

    async fn launched(options: Vec<&str>) -> Self {
        for _ in 0..3 {
            let mut redis = Self {
                server: None,
                port: free_port(),
                options: options.iter().map(|option| (*option).to_owned()).collect(),
                folder: tempfile::Builder::new()
                    .prefix("redis.")
                    .tempdir()
                    .expect("the temp folder is writable"),
            };
            // The port may have been taken since it was chosen; the next one is another.
            if redis.launch().await {
                return redis;
            }
            redis.print_log();
        }
        panic!("Redis did not start; its log stands above");
    }

    /// Where it listens, or will listen again: `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The same as another user.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    /// SIGTERM: it closes its connections and ends. Returns when it is gone.
    pub async fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.signal("TERM");
        if server.ended(STOP_TIME).await.is_none() {
            self.print_log();
            panic!("Redis ignored SIGTERM for {STOP_TIME:?}; its log stands above");
        }
    }

    /// SIGKILL, as in a crash.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// SIGSTOP: connections stay open and nothing answers, as behind a broken network.
    pub fn freeze(&mut self) {
        self.running().signal("STOP");
    }

    /// SIGCONT: ends [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.running().signal("CONT");
    }

    /// Starts it on the same port, and waits until it answers. It is empty unless it is [`DURABLE`](Self::DURABLE).
    pub async fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop() or kill() it first");
        // A client's connection attempt may hold the port for a moment, so one try is not enough.
        for _ in 0..3 {
            if self.launch().await {
                return;
            }
        }
        self.print_log();
        panic!("Redis did not start again; its log stands above");
    }

    /// False when the server ended before it answered, or did not answer in time.
    async fn launch(&mut self) -> bool {
        let mut server = self.spawn();
        let mut ended = false;
        let port = self.port;
        let done = eventually(START_TIME, async || {
            ended = server.exit_status().is_some();
            ended || answers(port).await.unwrap_or(false)
        })
        .await;
        if done && !ended {
            self.server = Some(server);
        }
        self.server.is_some()
    }

    fn spawn(&self) -> Guard {
        let log = File::options().append(true).create(true).open(self.folder.path().join("out"));
        let log = log.expect("the temp folder is writable");
        let errors = log.try_clone().expect("a file can be opened twice");
        let mut command = guarded("redis-server");
        command
            .args(&self.options)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no", "--dir"])
            .arg(self.folder.path())
            .stdout(log)
            .stderr(errors);
        Guard::spawn(&mut command)
    }

    fn running(&mut self) -> &mut Guard {
        self.server.as_mut().expect("the test has not stopped it")
    }

    fn print_log(&self) {
        let output = fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
        eprintln!("--- Redis on port {} ---\n{output}", self.port);
    }
}

/// A Redis that still loads its data answers `-LOADING`, and that is not yet an answer; that it wants to know who asks
/// is one.
async fn answers(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    Ok([b"+PONG\r\n", b"-NOAUTH"].contains(&&answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(redis: &Redis, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port)).await?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.trim_end_matches("+OK\r\n").to_owned())
    }

    #[tokio::test]
    async fn a_durable_redis_comes_back_with_its_data_and_another_one_empty() {
        let mut durable = Redis::start_with(Redis::DURABLE).await;
        let mut forgetful = Redis::start().await;
        ask(&durable, "SET key kept").await.unwrap();
        ask(&forgetful, "SET key kept").await.unwrap();

        durable.kill();
        forgetful.stop().await;
        assert!(ask(&durable, "PING").await.is_err());
        durable.start_again().await;
        forgetful.start_again().await;

        assert_eq!(ask(&durable, "GET key").await.unwrap(), "$4\r\nkept\r\n");
        assert_eq!(ask(&forgetful, "GET key").await.unwrap(), "$-1\r\n");
    }

    #[tokio::test]
    async fn a_frozen_redis_accepts_but_does_not_answer_until_it_thaws() {
        let mut redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;

        redis.freeze();
        let frozen = tokio::time::timeout(Duration::from_millis(200), ask(&redis, "PING")).await;
        redis.thaw();
        let thawed = ask(&redis, "INFO memory").await.unwrap();

        assert!(frozen.is_err());
        assert!(thawed.contains("maxmemory_policy:allkeys-lru"));
    }
}

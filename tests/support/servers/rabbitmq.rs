//! A RabbitMQ that one test owns, so that it may stop, kill, freeze and restart it.
//!
//! Owns the server, its epmd and its folder, as `scripts/lib/servers.sh` does for the server that all tests share: no
//! port, cookie, configuration file or folder of the machine's own RabbitMQ. Queues and exchanges are the test's.

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

const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
const START_TIME: Duration = Duration::from_mins(1);
const STOP_TIME: Duration = Duration::from_secs(30);
const SETTLE_TIME: Duration = Duration::from_secs(15);

/// A running or stopped RabbitMQ, on one port and with one data folder for all of its life.
pub struct RabbitMq {
    server: Option<Guard>,
    // Dropped after the server, before the folder.
    _epmd: Guard,
    ports: Ports,
    folder: TempDir,
}

struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts a server with nothing in it and waits until it accepts connections. That takes 5 to 10 seconds.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more files of settings, by name and text. Ours win over them.
    pub async fn start_with(settings: &[(&str, String)]) -> Self {
        for _ in 0..3 {
            let mut rabbitmq = Self::prepare(settings);
            // A port may have been taken since it was chosen; the next one has others.
            if rabbitmq.launch(START_TIME).await {
                return rabbitmq;
            }
            rabbitmq.print_log();
        }
        panic!("RabbitMQ did not start; its log stands above");
    }

    /// Where it listens, or will listen again: `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// The same as another user, in another vhost.
    pub fn url_as(&self, user: &str, password: &str, vhost: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/{vhost}", self.ports.amqp)
    }

    /// What must be in the environment so that `rabbitmqctl` finds this server, and without a change of user.
    pub fn control(&self) -> Vec<(&'static str, String)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        vec![
            ("PATH", format!("{PROGRAMS}:{}", path.to_string_lossy())),
            ("HOME", self.folder.path().to_string_lossy().into_owned()),
            ("LANG", "C.UTF-8".into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("ERL_EPMD_PORT", self.ports.epmd.to_string()),
            ("RABBITMQ_NODENAME", self.node()),
            (
                "RABBITMQ_CONF_ENV_FILE",
                self.folder.path().join("rabbitmq-env.conf").to_string_lossy().into_owned(),
            ),
        ]
    }

    /// SIGTERM: it closes its connections, writes what it has and ends. Returns when it is gone.
    pub async fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.signal("TERM");
        if server.ended(STOP_TIME).await.is_none() {
            self.print_log();
            panic!("RabbitMQ ignored SIGTERM for {STOP_TIME:?}; its log stands above");
        }
    }

    /// Waits until a kill can no longer make the server forget these quorum queues.
    ///
    /// RabbitMQ 3.10 writes the name of a new quorum queue to the disk about 3 s after it was declared. After a crash
    /// within that time the queue is there and finds neither its messages nor a leader, ever.
    pub async fn settle(&self, queues: &[&str]) {
        let names = self.folder.path().join(format!("data/{0}/quorum/{0}/names.dets", self.node()));
        let settled = eventually(SETTLE_TIME, async || {
            let written = fs::read(&names).unwrap_or_default();
            queues.iter().all(|queue| {
                let name = format!("%2F_{queue}");
                written.windows(name.len()).any(|part| part == name.as_bytes())
            })
        })
        .await;
        assert!(settled, "RabbitMQ did not write down the quorum queues {queues:?} within {SETTLE_TIME:?}");
    }

    /// SIGKILL, as in a crash: nobody is told and nothing is written any more. [`settle`](Self::settle) first.
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

    /// Starts it on the same port with the same data, and waits until it accepts connections.
    pub async fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop() or kill() it first");
        // A client's connection attempt may hold the port for a moment, so one try is not enough.
        for _ in 0..3 {
            if self.launch(START_TIME).await {
                return;
            }
        }
        self.print_log();
        panic!("RabbitMQ did not start again; its log stands above");
    }

    fn prepare(settings: &[(&str, String)]) -> Self {
        assert!(
            Path::new(PROGRAM).exists(),
            "{PROGRAM} is missing; run scripts/test, or install rabbitmq-server"
        );
        let folder =
            tempfile::Builder::new().prefix("rabbitmq.").tempdir().expect("the temp folder is writable");
        let ports = Ports { amqp: free_port(), distribution: free_port(), epmd: free_port() };
        write_files(folder.path(), ports.amqp, settings).expect("the temp folder is writable");
        let epmd = Guard::spawn(
            guarded("epmd")
                .args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"])
                .stdout(log(folder.path(), "epmd.out"))
                .stderr(log(folder.path(), "epmd.out")),
        );
        Self { server: None, _epmd: epmd, ports, folder }
    }

    /// False when the server ended before it listened, or did not listen in time.
    async fn launch(&mut self, within: Duration) -> bool {
        let mut server = self.spawn();
        let mut ended = false;
        let port = self.ports.amqp;
        let done = eventually(within, async || {
            ended = server.exit_status().is_some();
            ended || greets(port).await.unwrap_or(false)
        })
        .await;
        if done && !ended {
            self.server = Some(server);
        }
        self.server.is_some()
    }

    fn spawn(&self) -> Guard {
        let folder = self.folder.path();
        let mut command = guarded(PROGRAM);
        // RABBITMQ_* variables of the caller would change the server.
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "POSTRIDER_TEST_RUN"));
        command
            .env("HOME", folder) // holds the Erlang cookie
            .env("LANG", "C.UTF-8")
            .env("RUNNING_UNDER_SYSTEMD", "true") // the script becomes the server, so that its pid is the server's
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"));
        for (variable, name) in [
            ("RABBITMQ_CONF_ENV_FILE", "rabbitmq-env.conf"),
            ("RABBITMQ_CONFIG_FILES", "conf.d"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "conf.d"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
        ] {
            command.env(variable, folder.join(name));
        }
        command.stdout(log(folder, "out")).stderr(log(folder, "out"));
        Guard::spawn(&mut command)
    }

    fn node(&self) -> String {
        format!("postrider-{}@localhost", self.ports.distribution)
    }

    fn running(&mut self) -> &mut Guard {
        self.server.as_mut().expect("the test has not stopped it")
    }

    fn print_log(&self) {
        let output = fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
        eprintln!("--- RabbitMQ on port {} ---\n{output}", self.ports.amqp);
    }
}

fn write_files(folder: &Path, port: u16, more: &[(&str, String)]) -> io::Result<()> {
    for name in ["data", "log", "conf.d"] {
        fs::create_dir(folder.join(name))?;
    }
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    for (name, text) in more {
        fs::write(folder.join("conf.d").join(name), text)?;
    }
    // The same settings as in scripts/lib/servers.sh, with the reasons there. Of two files the later name wins.
    let settings = format!(
        "listeners.tcp.local = 127.0.0.1:{port}\n\
         disk_free_limit.absolute = 50MB\n\
         raft.wal_max_size_bytes = 33554432\n\
         log.console = false\n\
         log.file.level = info\n"
    );
    fs::write(folder.join("conf.d/99-test.conf"), settings)
}

fn log(folder: &Path, name: &str) -> File {
    File::options().append(true).create(true).open(folder.join(name)).expect("the temp folder is writable")
}

/// Connection.Start is a method frame (1) on channel 0 of class 10, method 10.
async fn greets(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    let mut frame = [0; 11];
    stream.read_exact(&mut frame).await?;
    Ok(frame[..3] == [1, 0, 0] && frame[7..] == [0, 10, 0, 10])
}

#[cfg(test)]
mod tests {
    use lapin::{
        BasicProperties, Connection, ConnectionProperties,
        options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    };

    use super::*;

    async fn channel(rabbitmq: &RabbitMq) -> lapin::Channel {
        let connection = Connection::connect(&rabbitmq.url(), ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    #[tokio::test]
    async fn a_killed_rabbitmq_comes_back_on_its_port_with_what_it_confirmed() {
        let mut rabbitmq = RabbitMq::start().await;
        let before = channel(&rabbitmq).await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        before.queue_declare("kept".into(), options, arguments).await.unwrap();
        before.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let confirm = before
            .basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"hello", persistent)
            .await
            .unwrap();
        assert!(confirm.await.unwrap().is_ack());
        rabbitmq.settle(&["kept"]).await;

        rabbitmq.kill();
        assert!(greets(rabbitmq.ports.amqp).await.is_err());
        rabbitmq.start_again().await;

        let after = channel(&rabbitmq).await;
        let mut body = None;
        let found = eventually(Duration::from_secs(10), async || {
            let got = after.basic_get("kept".into(), BasicGetOptions { no_ack: true }).await.unwrap();
            body = got.map(|message| message.delivery.data);
            body.is_some()
        })
        .await;
        assert!(found, "the queue has lost what it confirmed");
        assert_eq!(body.as_deref(), Some(&b"hello"[..]));
        rabbitmq.stop().await;
    }
}

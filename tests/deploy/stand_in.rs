//! A stand-in for systemd, as far as `scripts/rollout` uses it: a `systemctl` that hands its arguments to the test, and
//! units that are the real binaries, with `Type=notify` and the api's socket.
//!
//! The test runs the processes itself, because they end with the thread that starts them.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener as StdListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use postrider_tests::{
    api::ApiSetup,
    servers::{Proc, release_bin},
    worker::{PATIENCE, Setup},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::service::{Service, listening};

/// Its first line of answer is the exit status, the rest is what it prints.
const SYSTEMCTL: &str = r#"#!/usr/bin/env bash
exec 3<>"/dev/tcp/127.0.0.1/$STAND_IN_PORT"
printf '%s\n' "$*" >&3
read -r status <&3
cat <&3
exit "$status"
"#;

/// The units of one host.
pub(crate) struct StandIn {
    /// Where the api's socket listens.
    pub(crate) address: String,
    /// What `systemctl` was asked, in order.
    pub(crate) asked: Vec<String>,
    socket: StdListener,
    api: PathBuf,
    worker: PathBuf,
    running: BTreeMap<String, Service>,
    results: BTreeMap<String, &'static str>,
    folder: PathBuf,
    commands: TcpListener,
}

impl StandIn {
    /// Nothing runs yet.
    pub(crate) async fn new(setup: &Setup, api: &ApiSetup) -> Self {
        let folder = setup.path("stand-in");
        fs::create_dir(&folder).expect("the temp folder is writable");
        let systemctl = folder.join("systemctl");
        fs::write(&systemctl, SYSTEMCTL).expect("the temp folder is writable");
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let (socket, address) = listening(Ipv4Addr::LOCALHOST);
        Self {
            address,
            asked: Vec::new(),
            socket,
            api: api.write(),
            worker: setup.write(),
            running: BTreeMap::new(),
            results: BTreeMap::new(),
            folder,
            commands: TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port"),
        }
    }

    /// `systemctl start`: whether the unit became ready.
    pub(crate) async fn start(&mut self, unit: &str) -> bool {
        if self.running.contains_key(unit) {
            return true;
        }
        let mut service = if unit == "postrider-api.service" {
            let socket = self.socket.try_clone().expect("a descriptor is left");
            Service::start_on(&release_bin("postrider-api"), &self.api, &[], vec![socket.into()])
        } else {
            let named = ["--hostname", unit];
            Service::start_on(&release_bin("postrider-worker"), &self.worker, &named, Vec::new())
        };
        let ready = service.says("READY=1", PATIENCE).await;
        if !ready {
            eprintln!("{unit}: {}", service.process.log());
        }
        self.running.insert(unit.into(), service);
        ready
    }

    /// `systemctl stop`: returns when the process has ended.
    pub(crate) async fn stop(&mut self, unit: &str) {
        let Some(mut service) = self.running.remove(unit) else { return };
        service.process.sigterm();
        let clean = service.process.wait(PATIENCE).await.success();
        if !clean {
            eprintln!("{unit}: {}", service.process.log());
        }
        self.results.insert(unit.into(), if clean { "success" } else { "exit-code" });
    }

    /// Stops all that runs.
    pub(crate) async fn stop_all(&mut self) {
        for unit in self.units() {
            self.stop(&unit).await;
        }
    }

    /// The units that run.
    pub(crate) fn units(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// The process of a unit.
    pub(crate) fn pid(&self, unit: &str) -> Option<u32> {
        self.running.get(unit).map(|service| service.process.pid())
    }

    /// Runs `scripts/rollout` on these units to its end: its exit code and what it said.
    pub(crate) async fn rollout(&mut self, args: &[&str]) -> (Option<i32>, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rollout");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:{}", self.folder.display(), path.to_string_lossy());
        let port = self.commands.local_addr().expect("it is bound").port().to_string();
        let mut script = Proc::run(&script, args, [("PATH", path), ("STAND_IN_PORT", port)]);
        while script.is_running() {
            let asked = tokio::time::timeout(Duration::from_millis(50), self.commands.accept()).await;
            if let Ok(Ok((caller, _))) = asked {
                self.answer(caller).await;
            }
        }
        (script.wait(PATIENCE).await.code(), script.log())
    }

    async fn answer(&mut self, caller: TcpStream) {
        let mut caller = BufReader::new(caller);
        let mut line = String::new();
        caller.read_line(&mut line).await.expect("the stand-in's systemctl asks in text");
        let (good, text) = self.obey(line.trim()).await;
        self.asked.push(line.trim().to_owned());
        let answer = format!("{}\n{text}", i32::from(!good));
        // The caller may have lost its patience.
        let _ = caller.write_all(answer.as_bytes()).await;
    }

    async fn obey(&mut self, line: &str) -> (bool, String) {
        let words: Vec<&str> = line.split(' ').collect();
        let unit = *words.last().expect("a line has a word");
        match words[0] {
            "list-units" => {
                let workers = self.units().into_iter().filter(|unit| unit.starts_with("postrider-worker@"));
                let lines: Vec<String> =
                    workers.map(|unit| format!("{unit} loaded active running\n")).collect();
                (true, lines.concat())
            }
            "is-active" => (unit == "postrider-api.socket" || self.running.contains_key(unit), String::new()),
            "start" => (self.start(unit).await, String::new()),
            "stop" => {
                self.stop(unit).await;
                (true, String::new())
            }
            "restart" => {
                self.stop(unit).await;
                (self.start(unit).await, String::new())
            }
            "show" => (true, format!("{}\n", self.results.get(unit).unwrap_or(&"success"))),
            "status" => (true, format!("the status of {unit}\n")),
            _ => panic!("scripts/rollout asked for {line:?}, which the stand-in does not know"),
        }
    }
}

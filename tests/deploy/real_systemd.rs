//! The shipped units under a real systemd, which is booted in namespaces of its own: started, restarted under load,
//! rolled out, scaled and stopped.
//!
//! It takes root and a kernel that lets it. Where systemd does not boot, the test says so and is left out; the protocol
//! and the units are then tested by `notify`, `activation` and `units`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use postrider_tests::{
    api::ApiSetup,
    provider::Provider,
    servers::{Proc, bin, eventually, free_port},
    worker::{PATIENCE, Setup},
};

use super::load;

const NO_ENV: [(&str, &str); 0] = [];
const RATE: u32 = 30;

/// A systemd that runs our units.
struct Systemd {
    boot: Proc,
    pid: String,
    run: PathBuf,
}

impl Systemd {
    /// `None`, and a word about it, where this machine does not let us.
    async fn boot(folder: &Path) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/boot-systemd");
        let mut boot = Proc::run(&script, [folder], NO_ENV);
        let (mut pid, mut running) = (String::new(), false);
        let booted = eventually(PATIENCE, async || {
            let log = boot.log();
            let parent = log.lines().find_map(|line| line.strip_prefix("booting as the child of "));
            let children = parent.map(|parent| format!("/proc/{parent}/task/{parent}/children"));
            let child = children.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
            child.trim().clone_into(&mut pid);
            running = !pid.is_empty() && is_running(&pid);
            running || !boot.is_running()
        })
        .await;
        if booted && running {
            return Some(Self { boot, pid, run: folder.join("run") });
        }
        eprintln!("left out: no systemd boots on this machine:\n{}", boot.log());
        None
    }

    /// Runs a command in there, in a thread, so that the load goes on meanwhile.
    async fn command(&self, words: &[&str]) -> (bool, String) {
        let mut command = inside(&self.pid);
        command.args(words);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("it does not panic").expect("nsenter is there");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The same, which must go well.
    async fn systemctl(&self, words: &[&str]) -> String {
        let all: Vec<&str> = ["systemctl"].iter().chain(words).copied().collect();
        let (good, text) = self.command(&all).await;
        assert!(good, "systemctl {words:?}: {text}\n{}", self.logs());
        text.trim().to_owned()
    }

    fn logs(&self) -> String {
        let files = fs::read_dir(&self.run).expect("its /run is there").filter_map(Result::ok);
        let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("log."));
        logs.map(|log| fs::read_to_string(log.path()).unwrap_or_default()).collect()
    }
}

fn inside(pid: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", pid, "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--"]);
    command
}

fn is_running(pid: &str) -> bool {
    let output = inside(pid).args(["systemctl", "is-system-running"]).output().expect("nsenter is there");
    ["running", "degraded"].contains(&String::from_utf8_lossy(&output.stdout).trim())
}

/// What [`Systemd::boot`] boots: the shipped units, with a port of the test's own and logs in files.
fn prepare(folder: &Path, setup: &Setup, api: &Path, address: &str) {
    for name in ["units", "etc", "bin", "run"] {
        fs::create_dir(folder.join(name)).expect("the temp folder is writable");
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    for unit in
        ["postrider.target", "postrider-api.socket", "postrider-api.service", "postrider-worker@.service"]
    {
        fs::copy(shipped.join(unit), folder.join("units").join(unit)).expect("the unit is there");
    }
    let logs = "[Service]\nStandardOutput=append:/run/log.%p\nStandardError=append:/run/log.%p\n";
    for (unit, lines) in [
        ("postrider-api.socket", format!("[Socket]\nListenStream=\nListenStream={address}\n")),
        ("postrider-api.service", logs.into()),
        ("postrider-worker@.service", logs.into()),
    ] {
        let drop_in = folder.join("units").join(format!("{unit}.d"));
        fs::create_dir(&drop_in).expect("the temp folder is writable");
        fs::write(drop_in.join("test.conf"), lines).expect("the temp folder is writable");
    }
    let files = [("api.toml", api.to_owned()), ("worker.toml", setup.write())];
    let keys = ["pepper", "seal"].map(|key| (key, setup.path(key)));
    for (name, file) in files.into_iter().chain(keys) {
        let copy = folder.join("etc").join(name);
        fs::copy(file, &copy).expect("the file is there");
        fs::set_permissions(copy, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }
    for name in ["postrider-api", "postrider-worker"] {
        let (built, link) = (bin(name), folder.join("bin").join(name));
        // A service may not look into the folder that holds the build.
        fs::hard_link(&built, &link).or_else(|_| fs::copy(&built, &link).map(|_| ())).expect("a binary");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_start_restart_scale_and_stop_without_a_lost_request() {
    let provider = Provider::start().await;
    let setup = Setup::new("systemd").provider(&provider).without("keys.seal_file").text("log.level", "info");
    let api = ApiSetup::new(&setup).without("keys.seal_file").without("keys.pepper_file");
    let api = api.text("http.drain_delay", "1s").text("log.level", "info").write();
    let address = format!("127.0.0.1:{}", free_port());
    let folder = tempfile::Builder::new().prefix("systemd.").tempdir().expect("the temp folder is writable");
    prepare(folder.path(), &setup, &api, &address);
    let Some(mut systemd) = Systemd::boot(folder.path()).await else { return };

    systemd.systemctl(&["enable", "--now", "postrider-worker@1", "postrider-api", "postrider.target"]).await;
    let ready = reqwest::get(format!("http://{address}/readyz")).await.expect("the socket is there").status();
    assert_eq!(ready, 200, "it said that it is ready");
    assert_eq!(status(&systemd, "postrider-worker@1").await, format!("Consuming from {}", setup.queue));
    assert_eq!(status(&systemd, "postrider-api").await, format!("Serving on {address}"));

    let stop = Arc::new(AtomicBool::new(false));
    let clients = load::run(&address, RATE, Arc::clone(&stop));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rollout");
    let replacing = async {
        systemd.systemctl(&["restart", "postrider-api"]).await;
        systemd.systemctl(&["enable", "--now", "postrider-worker@2"]).await;
        let rollout = systemd.command(&[&script.to_string_lossy(), "--api"]).await;
        systemd.systemctl(&["restart", "postrider.target"]).await;
        stop.store(true, Ordering::SeqCst);
        rollout
    };
    let (outcome, (good, said)) = tokio::join!(clients, replacing);
    eprintln!("{}", load::summary(&outcome));
    assert!(good && said.contains("done: 2 worker(s) and the api"), "{said}\n{}", systemd.logs());
    assert!(outcome.failed.is_empty(), "{}\n{}", load::summary(&outcome), systemd.logs());
    let all = eventually(PATIENCE, async || provider.texts().len() >= outcome.created.len()).await;
    assert!(all, "{} of {} were sent\n{}", provider.texts().len(), outcome.created.len(), systemd.logs());

    systemd.systemctl(&["stop", "postrider.target"]).await;
    let units = ["postrider-api.socket", "postrider-api.service", "postrider-worker@1", "postrider-worker@2"];
    for unit in units {
        let stopped = async || systemd.systemctl(&["show", "--property=ActiveState", "--value", unit]).await;
        assert!(
            eventually(PATIENCE, async || stopped().await == "inactive").await,
            "{unit}: {}",
            stopped().await
        );
    }
    assert!(std::net::TcpStream::connect(&address).is_err(), "the socket is gone with the target");
    assert_eq!(provider.requests().len(), outcome.created.len(), "provider calls");
    systemd.boot.sigterm();
    systemd.boot.wait(PATIENCE).await;
    setup.clean_up().await;
}

async fn status(systemd: &Systemd, unit: &str) -> String {
    systemd.systemctl(&["show", "--property=StatusText", "--value", unit]).await
}

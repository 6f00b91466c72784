//! The units of `deploy/systemd`: systemd finds nothing wrong with them, they are as closed as they are said to be, and
//! their limits fit the configuration.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use postrider_tests::{
    api::ApiSetup,
    servers::bin,
    worker::{Setup, ended},
};

const UNITS: [&str; 4] =
    ["postrider.target", "postrider-api.socket", "postrider-api.service", "postrider-worker@.service"];
const SERVICES: [&str; 2] = ["postrider-api.service", "postrider-worker@.service"];

fn shipped(unit: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd").join(unit)
}

/// The values of a key, in their order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(shipped(unit)).expect("the unit is there");
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
    text.lines().filter_map(value).collect()
}

fn value(unit: &str, key: &str) -> String {
    let mut values = values(unit, key);
    assert_eq!(values.len(), 1, "{key}= stands once in {unit}");
    values.remove(0)
}

fn analyze(args: &[&str]) -> Output {
    Command::new("systemd-analyze")
        .args(args)
        .output()
        .expect("systemd-analyze is installed: scripts/test does it")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    // The binaries must be where the units say; on this machine they are elsewhere.
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for unit in UNITS {
        let text = fs::read_to_string(shipped(unit)).expect("the unit is there");
        let built = |name: &str| bin(name).to_string_lossy().into_owned();
        let text = text
            .replace("/usr/bin/postrider-api", &built("postrider-api"))
            .replace("/usr/bin/postrider-worker", &built("postrider-worker"));
        files.push(folder.path().join(unit).to_string_lossy().into_owned());
        fs::write(files.last().expect("pushed just now"), text).unwrap();
    }
    let mut args = vec!["verify", "--man=no", "--recursive-errors=no"];
    args.extend(files.iter().map(String::as_str));

    let output = analyze(&args);

    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

#[test]
fn the_services_are_exposed_to_1_5_of_10_at_the_most() {
    for unit in SERVICES {
        let file = shipped(unit).to_string_lossy().into_owned();
        let output = analyze(&["security", "--offline=true", "--no-pager", "--threshold=15", &file]);

        assert!(
            output.status.success() && said(&output).contains("Overall exposure"),
            "{unit}: {}",
            said(&output)
        );
    }
}

#[test]
fn the_check_before_the_start_is_told_how_long_systemd_waits_for_a_stop() {
    for unit in SERVICES {
        let (check, limit) = (value(unit, "ExecStartPre"), value(unit, "TimeoutStopSec"));

        assert!(
            check.ends_with(&format!(" config check --stop-timeout {limit}")),
            "{unit}: {check}, {limit}"
        );
        assert_eq!(value(unit, "Type"), "notify");
    }
}

/// The command line as systemd would run it, without the binary: `%d` is the folder with the credentials.
fn command_line(line: &str, credentials: &Path) -> Vec<String> {
    let words = line.split(' ').skip(1);
    words.map(|word| word.replace("%d", &credentials.to_string_lossy()).replace("%%", "%")).collect()
}

/// Runs the unit's own `ExecStartPre=` with its own `LoadCredential=`, on configurations and keys of the setup's.
async fn check(unit: &str, setup: &Setup, config: &Path) -> (Option<i32>, String) {
    let name = if unit.starts_with("postrider-api") { "postrider-api" } else { "postrider-worker" };
    let folder = tempfile::tempdir().expect("the temp folder is writable");
    for credential in values(unit, "LoadCredential") {
        let (credential, _) = credential.split_once(':').expect("name:path");
        let key = matches!(credential, "pepper" | "seal");
        let ours = if key { setup.path(credential) } else { config.to_owned() };
        fs::copy(&ours, folder.path().join(credential)).expect("both are there");
    }
    let line = value(unit, "ExecStartPre");
    assert!(line.starts_with(&format!("/usr/bin/{name} ")), "{line}");
    let env = [("CREDENTIALS_DIRECTORY", folder.path())];
    let process = postrider_tests::servers::Proc::start(name, command_line(&line, folder.path()), env);
    let output = ended(process).await;
    (output.status.code(), output.text)
}

#[tokio::test]
async fn the_check_before_the_start_takes_configuration_and_keys_from_the_credentials() {
    let setup = Setup::new("units").without("keys.seal_file");
    let api = ApiSetup::new(&setup).without("keys.seal_file").without("keys.pepper_file");

    for (unit, config) in [(SERVICES[0], api.write()), (SERVICES[1], setup.write())] {
        let (code, text) = check(unit, &setup, &config).await;

        assert_eq!(code, Some(0), "{unit}: {text}");
    }
}

#[tokio::test]
async fn a_stop_that_takes_longer_than_systemd_waits_is_found_before_the_start() {
    let setup = Setup::new("units-late").text("worker.drain_timeout", "50s");
    let cases = [
        ("http.drain_delay", ApiSetup::new(&setup).text("http.drain_delay", "20s")),
        ("http.shutdown_timeout", ApiSetup::new(&setup).text("http.shutdown_timeout", "25s")),
    ];
    for (key, api) in cases {
        let (code, text) = check(SERVICES[0], &setup, &api.write()).await;
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains(key) && text.contains("the stop timeout of 30s"), "{text}");
    }

    let (code, text) = check(SERVICES[1], &setup, &setup.write()).await;

    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("worker.drain_timeout: with 50s a stop takes up to 1m"), "{text}");
    assert!(text.contains("the stop timeout of 1m"), "{text}");
}

#[tokio::test]
async fn the_shipped_examples_can_be_used() {
    let setup = Setup::new("units-examples");
    let keys = ApiSetup::new(&setup);
    assert!(keys.write().exists(), "it made the pepper");

    for (unit, example) in SERVICES.into_iter().zip(["api.toml", "worker.toml"]) {
        let (code, text) = check(unit, &setup, &shipped(example)).await;

        assert_eq!(code, Some(0), "{example}: {text}");
    }
}

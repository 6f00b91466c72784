//! Servers and processes that tests talk to or start.
//!
//! Owns: where the shared RabbitMQ, the shared Redis, the binaries, Python and the browser are (`scripts/test` says so
//! through the environment), servers of a test's own that it may stop and kill ([`RabbitMq`], [`Redis`]), our binaries
//! as child processes ([`Proc`]), and waiting on what is outside of this process ([`eventually`]). It knows nothing of
//! Postrider's behaviour, and it never falls back to a server or a binary that happens to be around.
//!
//! Nothing outlives its value: a drop ends the process by its pid and removes its folder. A test process that is
//! killed takes its children along (`setpriv --pdeathsig`).

mod guard;
mod proc;
mod rabbitmq;
mod redis;

use std::{
    ffi::OsString,
    fs, net,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

pub use self::{proc::Proc, rabbitmq::RabbitMq, redis::Redis};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The RabbitMQ that all tests of a run share. A test owns its queue names there, not the server.
pub fn shared_amqp_url() -> String {
    text(required("POSTRIDER_TEST_AMQP_URL"))
}

/// The Redis that all tests of a run share. A test owns its key prefix there, not the server.
pub fn shared_redis_url() -> String {
    text(required("POSTRIDER_TEST_REDIS_URL"))
}

/// A Python interpreter with the packages of `tests/interop/requirements.txt`.
pub fn python() -> PathBuf {
    required("POSTRIDER_TEST_PYTHON").into()
}

/// A Python interpreter with an earlier release of Celery, as `5.2`: `tests/interop/celery-5.2.txt`.
pub fn old_python(release: &str) -> PathBuf {
    required(&format!("POSTRIDER_TEST_PYTHON_{}", release.replace('.', "_"))).into()
}

/// The browser.
pub fn chromium() -> PathBuf {
    program("POSTRIDER_TEST_CHROMIUM")
}

/// What drives the browser.
pub fn chromedriver() -> PathBuf {
    program("POSTRIDER_TEST_CHROMEDRIVER")
}

/// The path of one of our binaries, as built by `scripts/test`.
///
/// Stops the test when the binary is older than its sources: a process test never runs a stale one.
pub fn bin(name: &str) -> PathBuf {
    built("POSTRIDER_TEST_BIN_DIR", name, "cargo build --workspace --bins")
}

/// The same, built with optimisations, for a test that needs the speed of a release.
pub fn release_bin(name: &str) -> PathBuf {
    built(
        "POSTRIDER_TEST_RELEASE_BIN_DIR",
        name,
        "cargo build --release -p postrider-api -p postrider-worker --bins",
    )
}

fn built(folder: &str, name: &str, build: &str) -> PathBuf {
    let path = PathBuf::from(required(folder)).join(name);
    assert!(path.is_file(), "{} is missing; run scripts/test, or {build}", path.display());
    if let Some(source) = newer_source(&path) {
        panic!("{} is older than {}; run scripts/test, or {build}", path.display(), source.display());
    }
    path
}

/// A loopback port that was free a moment ago. Whoever starts a server on it tries again when it was taken since.
pub fn free_port() -> u16 {
    net::TcpListener::bind((net::Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("the loopback interface has a free port")
        .port()
}

/// Asks again and again until the answer is yes, and says whether it came in time.
///
/// For what lies outside of this process, where there is nothing to subscribe to: a server that starts, a queue that
/// another process drains. Inside of the process use a barrier, a channel or the manual clock.
pub async fn eventually(within: Duration, mut check: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A check that hangs counts as a no: the servers under test are stopped and frozen on purpose.
        if tokio::time::timeout(left, check()).await.unwrap_or(false) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where tests learn what scripts/test started")]
fn required(variable: &str) -> OsString {
    match std::env::var(variable) {
        Ok(value) if !value.is_empty() => value.into(),
        _ => panic!(
            "{variable} is not set; run scripts/test, or export it (scripts/test --help says what it holds)"
        ),
    }
}

/// A program of this machine that `scripts/test` installs where it is missing.
fn program(variable: &str) -> PathBuf {
    let path = PathBuf::from(required(variable));
    assert!(path.is_file(), "{variable} names {}, which is not there; run scripts/test", path.display());
    path
}

fn text(value: OsString) -> String {
    value.into_string().expect("read as UTF-8 just before")
}

/// Cargo lists a binary's sources in a `.d` file beside it. `scripts/test` hands over copies without that file, which
/// stay right when somebody edits a source during the run.
fn newer_source(binary: &Path) -> Option<PathBuf> {
    let list = fs::read_to_string(binary.with_extension("d")).ok()?;
    let built = modified(binary)?;
    sources(&list).into_iter().find(|source| modified(source).is_some_and(|changed| changed > built))
}

/// `target: source source..`, where a space inside of a path is written `\ `.
fn sources(list: &str) -> Vec<PathBuf> {
    let line = list.lines().next().unwrap_or_default();
    let Some((_, sources)) = line.split_once(": ") else { return Vec::new() };
    let one_word = sources.replace("\\ ", "\0");
    one_word.split(' ').filter(|path| !path.is_empty()).map(|path| path.replace('\0', " ").into()).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_from_cargos_list() {
        let list = "/t/debug/postrider: /a/src/main.rs /with\\ space/lib.rs\n\n/a/src/main.rs:\n";

        let found = sources(list);

        assert_eq!(found, [PathBuf::from("/a/src/main.rs"), PathBuf::from("/with space/lib.rs")]);
    }

    #[test]
    fn a_binary_older_than_a_source_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let (binary, source) = (folder.path().join("postrider"), folder.path().join("main.rs"));
        fs::write(&source, "").unwrap();
        fs::write(&binary, "").unwrap();
        fs::write(folder.path().join("postrider.d"), format!("{}: {}\n", binary.display(), source.display()))
            .unwrap();

        let fresh = newer_source(&binary);
        let later = modified(&binary).unwrap() + Duration::from_secs(1);
        fs::File::options().write(true).open(&source).unwrap().set_modified(later).unwrap();
        let stale = newer_source(&binary);

        assert_eq!(fresh, None);
        assert_eq!(stale, Some(source));
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_a_no() {
        assert!(!eventually(Duration::from_millis(50), async || std::future::pending().await).await);
    }
}

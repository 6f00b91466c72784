//! Chromium without a window, driven through `WebDriver`: one browser with a profile of its own.
//!
//! Owns the chromedriver, the browser that it starts, and their folder, which is also the home that they write to.
//! Chromedriver takes a free port itself and says which; nobody else's is ever talked to. The browser finds no other
//! machine: every name is this one's, or nobody's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use thirtyfour::{
    BrowserLogEntry, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
};

use crate::{
    servers::{Proc, chromedriver, chromium},
    worker::PATIENCE,
};

/// A name that leads to 127.0.0.1 in this browser, and that browsers do not trust as they trust 127.0.0.1 itself.
pub const PLAIN_HOST: &str = "shop.test";

/// How long a command to the browser may take.
const COMMAND: Duration = Duration::from_mins(1);

/// A browser. A drop ends it, with all of its processes.
pub struct Browser {
    /// The session.
    pub session: WebDriver,
    chromedriver: Proc,
    _folder: TempDir,
}

impl Browser {
    /// Starts a browser whose reader prefers these languages: `zh-CN,zh`.
    pub async fn start(languages: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("browser.").tempdir();
        let folder = folder.expect("the temp folder is writable");
        let home = folder.path().to_string_lossy().into_owned();
        let env = ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| (name, home.as_str()));
        let mut chromedriver = Proc::run(&chromedriver(), ["--port=0"], env);
        let line = chromedriver.wait_for_line(|line| line.contains("successfully on port"), PATIENCE).await;
        let port = line.trim_end_matches('.').rsplit(' ').next().and_then(|port| port.parse::<u16>().ok());
        let port = port.unwrap_or_else(|| panic!("no port in {line:?}"));

        let capabilities = capabilities(folder.path(), languages);
        let session =
            WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities).request_timeout(COMMAND);
        let session = session.await.unwrap_or_else(|error| panic!("no browser: {error}"));
        Self { session, chromedriver, _folder: folder }
    }

    /// What the script returns. It is run as the body of a function.
    pub async fn run(&self, script: &str) -> Value {
        let result = self.session.execute(script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// What the browser has complained of since it was asked last: scripts that failed, files that did not load, and
    /// what the page's policy forbids.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.session.get_log("browser").await.expect("chromedriver keeps the log");
        let told = |entry: BrowserLogEntry| format!("{}: {}", entry.level, entry.message);
        log.into_iter().map(told).collect()
    }

    /// Ends it in order.
    pub async fn finish(mut self) {
        self.session.clone().quit().await.expect("the browser ends");
        self.chromedriver.sigterm();
        self.chromedriver.wait(PATIENCE).await;
    }
}

impl Drop for Browser {
    /// The kill of the chromedriver ends the browser. The session's own drop would ask it to, and wait for an answer
    /// for a minute.
    fn drop(&mut self) {
        // An error says that it has ended in order before.
        let _ = self.session.clone().leak();
    }
}

fn capabilities(folder: &Path, languages: &str) -> thirtyfour::ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let language = format!("--accept-lang={languages}");
    let hosts =
        format!("--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    let arguments = [
        "--headless=new",
        // Chromium's own sandbox cannot be made by root, as whom tests may run; it shows nothing but our page.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--mute-audio",
        "--window-size=900,900",
        &profile,
        &language,
        &hosts,
    ];
    let mut set = || {
        capabilities.set_binary(&orphan_safe(folder).to_string_lossy())?;
        for argument in arguments {
            capabilities.add_arg(argument)?;
        }
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)
    };
    set().expect("texts are JSON");
    capabilities
}

/// A start of Chromium that ends with the chromedriver, also when that is killed; Chromium's other processes end with
/// the first one. Chromedriver takes no arguments with the browser's path, hence the file.
fn orphan_safe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("chromium");
    let script = format!("#!/bin/sh\nexec setpriv --pdeathsig KILL -- '{}' \"$@\"\n", chromium().display());
    fs::write(&path, script).expect("the temp folder is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::eventually;

    /// The processes that run, as pid and parent; those that have ended and wait to be collected are none.
    fn processes() -> Vec<(u32, u32)> {
        let folders = fs::read_dir("/proc").unwrap().flatten();
        let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
        let parent = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in brackets, may itself hold brackets and blanks.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let running = fields.next()? != "Z";
            running.then_some((pid, fields.next()?.parse().ok()?))
        };
        pids.filter_map(parent).collect()
    }

    fn family(ancestor: u32) -> Vec<u32> {
        let (all, mut family) = (processes(), vec![ancestor]);
        let mut next = 0;
        while let Some(&parent) = family.get(next) {
            family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        family
    }

    #[tokio::test]
    async fn a_browser_ends_with_all_of_its_processes_also_when_its_driver_is_killed() {
        let mut browser = Browser::start("en").await;
        let family = family(browser.chromedriver.pid());
        assert!(family.len() > 4, "{family:?}");

        browser.chromedriver.sigkill();

        let gone = eventually(PATIENCE, async || processes().iter().all(|(pid, _)| !family.contains(pid)));
        assert!(gone.await, "{family:?}");
    }
}

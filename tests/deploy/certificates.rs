//! A private authority of one test's own, and a certificate that it gave to this machine.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// For two days, as names that are this machine.
const NAMES: &str = "subjectAltName=DNS:localhost,DNS:sms.example.com,IP:127.0.0.1";

/// `ca.pem`, and `server.pem` with `server.key`, in a folder.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("the temp folder is writable"));
        this.make("ca", &["-subj", "/CN=Test authority"], &["basicConstraints=critical,CA:TRUE"]);
        let (ca, key) = (this.path("ca.pem"), this.path("ca.key"));
        let signed =
            ["-CA", &*ca.to_string_lossy(), "-CAkey", &*key.to_string_lossy(), "-subj", "/CN=localhost"];
        this.make("server", &signed, &["basicConstraints=critical,CA:FALSE", NAMES]);
        this
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn make(&self, name: &str, signed: &[&str], extensions: &[&str]) {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]);
        command.args(signed).arg("-out").arg(self.path(&format!("{name}.pem")));
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        let output = command.stdin(Stdio::null()).output().expect("openssl is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

//! Nginx with the shipped files, each place of a machine's own replaced by the test's, and clients of it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use postrider_tests::servers::{Proc, eventually, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{SOON, certificates::Certificates, shipped};

/// The site's name in `site.conf`.
pub(super) const NAME: &str = "sms.example.com";

/// Nginx with the shipped files, in one process, so that its end is the end of all of it.
pub(super) struct Nginx {
    _process: Proc,
    pub(super) tls: SocketAddr,
    pub(super) plain: SocketAddr,
    certificates: Certificates,
    folder: TempDir,
}

impl Nginx {
    pub(super) async fn start(api: &str, more: &[(&str, &str)]) -> Self {
        let (folder, certificates) =
            (tempfile::tempdir().expect("the temp folder is writable"), Certificates::new());
        let [tls, plain] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let logs = folder.path().to_string_lossy().into_owned();
        let log = ("/var/log/nginx", logs.as_str());
        let shared = [("server 127.0.0.1:8080;", &*format!("server {api};"))];
        let site = [
            ("listen 80;", &*format!("listen {plain};")),
            ("listen [::]:80;", ""),
            ("listen 443 ssl http2;", &format!("listen {tls} ssl http2;")),
            ("listen [::]:443 ssl http2;", ""),
            ("/etc/nginx/tls/sms.example.com.pem", &certificates.text("server.pem")),
            ("/etc/nginx/tls/sms.example.com.key", &certificates.text("server.key")),
            log,
        ];
        fs::create_dir(folder.path().join("snippets")).expect("the temp folder is writable");
        for (name, places) in [
            ("postrider.conf", &[&shared, more].concat()[..]),
            ("site.conf", &site),
            ("snippets/postrider-shop.conf", &[log]),
            ("snippets/postrider-proxy.conf", &[]),
        ] {
            let text = shipped::text(&format!("nginx/{name}"), places);
            fs::write(folder.path().join(name), text).expect("the temp folder is writable");
        }
        fs::write(folder.path().join("nginx.conf"), main_file(folder.path()))
            .expect("the temp folder is writable");
        let main = folder.path().join("nginx.conf").to_string_lossy().into_owned();
        let none: [(&str, &str); 0] = [];
        let mut checked = Proc::run(Path::new("/usr/sbin/nginx"), ["-t", "-q", "-c", &main], none);
        assert!(checked.wait(SOON).await.success(), "nginx -t says:\n{}", checked.log());
        assert_eq!(checked.log(), "", "nginx -t warns");

        let process = Proc::run(Path::new("/usr/sbin/nginx"), ["-c", &main], none);
        let listens = eventually(SOON, async || tokio::net::TcpStream::connect(tls).await.is_ok()).await;
        assert!(listens, "nginx does not listen:\n{}", process.log());
        Self { _process: process, tls, plain, certificates, folder }
    }

    /// A client at one of this machine's own addresses.
    pub(super) fn client(&self, from: [u8; 4]) -> Client {
        let authority = fs::read(self.certificates.path("ca.pem")).expect("just made");
        let client = reqwest::Client::builder()
            .timeout(SOON)
            .tls_certs_only([reqwest::Certificate::from_pem(&authority).expect("a certificate")])
            .resolve(NAME, self.tls)
            .local_address(IpAddr::from(from))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a plain client");
        Client { client, base: format!("https://{NAME}:{}", self.tls.port()) }
    }

    pub(super) fn logs(&self) -> String {
        ["postrider.log", "postrider-error.log", "main.log"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }
}

/// What Debian's own nginx.conf gives, with every path in the test's folder.
fn main_file(folder: &Path) -> String {
    let folder = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/main.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include postrider.conf;\ninclude site.conf;\n}}\n"
    )
}

pub(super) struct Client {
    pub(super) client: reqwest::Client,
    base: String,
}

impl Client {
    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("nginx answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    pub(super) fn post(&self, body: String) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/v1/verifications", self.base));
        request.header("content-type", "application/json").body(body)
    }

    /// Asks for a code as a client that says that it was forwarded for somebody.
    pub(super) async fn create(&self, number: u32, forwarded: &str) -> (u16, String) {
        let body = json!({"to": format!("+86139{number:08}"), "purpose": "login"}).to_string();
        let (status, body) = self.send(self.post(body).header("x-forwarded-for", forwarded)).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

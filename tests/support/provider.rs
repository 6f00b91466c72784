//! A provider double: the receiver of the webhook provider, on a loopback port of its own.
//!
//! Owns what was asked of it and what it answered. Every request is recorded before it is answered, and a request whose
//! signature is wrong is answered 401. What an answer means for the people is counted as a real receiver's owner would:
//! [`Provider::texts`] are the SMS that went out.

mod answer;
mod http;

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

pub use self::answer::Answer;
use self::{answer::Reply, http::Received};

/// The secret that a worker signs with for this double.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// When.
    pub at: Instant,
    /// `Idempotency-Key`.
    pub key: String,
    /// The message's id, in the body.
    pub id: String,
    /// The number.
    pub to: String,
    /// The code.
    pub code: String,
    /// How often the worker has called for this message, this time included.
    pub attempt: u64,
    /// The life of the code as the SMS tells it.
    pub minutes: u64,
}

/// The double. The drop ends it and every connection to it.
pub struct Provider {
    port: u16,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

struct Shared {
    script: Mutex<Script>,
    log: watch::Sender<Log>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Request>,
    /// Of the requests, by their places, those that a real receiver would have sent.
    taken: Vec<usize>,
    badly_signed: usize,
}

impl Provider {
    /// A double that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_| Answer::taken()).await
    }

    /// A double that asks `script` for each answer.
    pub async fn answering(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            log: watch::Sender::default(),
            released: watch::Sender::new(false),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared)));
        Self { port, shared, _server: server }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/sms", self.port)
    }

    /// Every request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        let log = self.shared.log.borrow();
        assert_eq!(log.badly_signed, 0, "requests with a wrong signature");
        log.requests.clone()
    }

    /// The same, once there are that many.
    pub async fn wait_for(&self, requests: usize, within: Duration) -> Vec<Request> {
        let mut log = self.shared.log.subscribe();
        let came = timeout(within, log.wait_for(|log| log.requests.len() >= requests)).await.is_ok();
        let seen = self.requests();
        assert!(came, "{} requests of {requests} came within {within:?}: {seen:?}", seen.len());
        seen
    }

    /// The SMS that went out, as key, number and code: one for each request that was taken.
    pub fn texts(&self) -> Vec<(String, String, String)> {
        let log = self.shared.log.borrow();
        let text = |request: &Request| (request.key.clone(), request.to.clone(), request.code.clone());
        log.taken.iter().map(|place| text(&log.requests[*place])).collect()
    }

    /// The same for a receiver that drops a second request with one `Idempotency-Key`.
    pub fn texts_deduped(&self) -> Vec<(String, String, String)> {
        let mut seen = HashSet::new();
        self.texts().into_iter().filter(|(key, ..)| seen.insert(key.clone())).collect()
    }

    /// Lets all held answers go, and those to come.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a loopback listener accepts");
        connections.spawn(talk(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection: requests one after the other, until either side closes it.
async fn talk(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut rest = Vec::new();
    while let Some(received) = http::receive(&mut stream, &mut rest).await {
        let answer = shared.note(&received);
        if answer.held {
            let mut released = shared.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
        }
        tokio::time::sleep(answer.latency).await;
        let (status, body) = match answer.reply {
            Reply::Status(status, body) => (status, body),
            Reply::Silence => return std::future::pending().await,
            Reply::HangUp => return,
        };
        if http::reply(&mut stream, status, answer.retry_after, &body).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn note(&self, received: &Received) -> Answer {
        if !is_signed(received) {
            self.log.send_modify(|log| log.badly_signed += 1);
            return Answer::status(401);
        }
        let request = request(received);
        let answer = self.script.lock().unwrap_or_else(PoisonError::into_inner)(&request);
        self.log.send_modify(|log| {
            if answer.takes() {
                log.taken.push(log.requests.len());
            }
            log.requests.push(request);
        });
        answer
    }
}

fn request(received: &Received) -> Request {
    let body: Value = serde_json::from_slice(&received.body).expect("the webhook sends JSON");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap_or_default();
    Request {
        at: Instant::now(),
        key: received.header("idempotency-key").to_owned(),
        id: text("id"),
        to: text("to"),
        code: text("code"),
        attempt: number("attempt"),
        minutes: number("minutes"),
    }
}

/// Standard Webhooks: `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
fn is_signed(received: &Received) -> bool {
    let secret = SECRET.trim_start_matches("whsec_");
    let key = STANDARD.decode(secret).expect("the secret is base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&received.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    received.header("webhook-signature") == expected
}

//! Clients that ask for codes at a fixed rate, whether they are answered or not: half on a connection of their own, half
//! on a pool of kept-alive ones.
//!
//! They speak HTTP by hand and try nothing again: a connection that is closed under a request is a failure, which every
//! HTTP library would hide. A pooled connection is let go before the server could think it idle, and when it says
//! `Connection: close`, as a good client does.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use postrider_tests::api::SECRET_KEY;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

/// How long a pooled connection is kept without a request.
const IDLE: Duration = Duration::from_millis(400);
/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came of the requests.
#[derive(Default)]
pub(crate) struct Outcome {
    /// How many were made.
    pub(crate) asked: usize,
    /// The numbers that were promised a code.
    pub(crate) created: Vec<String>,
    /// What the others got, with the kind of their connection.
    pub(crate) failed: Vec<String>,
    /// How many went through a connection that was used before.
    pub(crate) reused: usize,
    /// The longest that an answer took.
    pub(crate) slowest: Duration,
    /// From the first request to the last.
    pub(crate) took: Duration,
}

type Pool = Arc<Mutex<Vec<(TcpStream, Instant)>>>;

struct Answer {
    to: String,
    reused: bool,
    took: Duration,
    result: Result<(), String>,
}

/// Asks `rate` times a second until it is told to stop, and waits for all answers.
pub(crate) async fn run(address: &str, rate: u32, stop: Arc<AtomicBool>) -> Outcome {
    let pool = Pool::default();
    let mut requests = JoinSet::new();
    let mut tick = interval(Duration::from_secs(1) / rate);
    // Behind time, it catches up: the rate is what is asked for, not what is answered.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut outcome, begun) = (Outcome::default(), Instant::now());
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        let pool = outcome.asked.is_multiple_of(2).then(|| Arc::clone(&pool));
        let to = format!("+86139{:08}", outcome.asked);
        requests.spawn(ask(address.to_owned(), to, pool));
        outcome.asked += 1;
    }
    outcome.took = begun.elapsed();
    while let Some(answer) = requests.join_next().await {
        let Answer { to, reused, took, result } = answer.expect("a request does not panic");
        outcome.reused += usize::from(reused);
        outcome.slowest = outcome.slowest.max(took);
        match result {
            Ok(()) => outcome.created.push(to),
            Err(reason) => {
                outcome.failed.push(format!("reused connection {reused}, after {took:?}: {reason}"));
            }
        }
    }
    outcome
}

async fn ask(address: String, to: String, pool: Option<Pool>) -> Answer {
    let begun = Instant::now();
    let kept = pool.as_ref().and_then(take);
    let reused = kept.is_some();
    let asked = async {
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect(&address).await?,
        };
        let (status, close, body) = exchange(&mut stream, &to, pool.is_some()).await?;
        if let Some(pool) = pool.filter(|_| !close) {
            pool.lock().expect("nobody panics").push((stream, Instant::now()));
        }
        Ok::<_, io::Error>((status, body))
    };
    let result = match timeout(PATIENCE, asked).await {
        Err(_) => Err("no answer".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok((201, _))) => Ok(()),
        Ok(Ok((status, body))) => Err(format!("{status} {body}")),
    };
    Answer { to, reused, took: begun.elapsed(), result }
}

fn take(pool: &Pool) -> Option<TcpStream> {
    let mut pool = pool.lock().expect("nobody panics");
    pool.retain(|(_, since)| since.elapsed() < IDLE);
    pool.pop().map(|(stream, _)| stream)
}

async fn exchange(stream: &mut TcpStream, to: &str, keep: bool) -> io::Result<(u16, bool, String)> {
    let body = format!(r#"{{"to":"{to}","purpose":"login"}}"#);
    let connection = if keep { "keep-alive" } else { "close" };
    let request = format!(
        "POST /v1/verifications HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET_KEY}\r\nContent-Type: \
         application/json\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if let Some(whole) = parse(&answer) {
            return Ok(whole);
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a whole answer"));
        }
    }
}

/// Status, whether the connection closes, and the body, once all of it is there.
fn parse(answer: &[u8]) -> Option<(u16, bool, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let close = head.lines().any(|line| line == "connection: close");
    (body.len() >= length).then(|| (status, close, body.to_owned()))
}

/// The requests that got something else than a code.
pub(crate) fn summary(outcome: &Outcome) -> String {
    let mut shown: Vec<&String> = outcome.failed.iter().collect();
    shown.truncate(10);
    let (asked, failed) = (outcome.asked, outcome.failed.len());
    format!(
        "{asked} requests in {:?}, {} on kept-alive connections, slowest {:?}, {failed} failed: {shown:#?}",
        outcome.took, outcome.reused, outcome.slowest
    )
}

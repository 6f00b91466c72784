//! HTTP load, closed or open.
//!
//! Closed: every connection sends its next request when the last one is answered; that finds the highest throughput.
//! Open: requests begin at a fixed rate whatever becomes of the earlier ones, and a latency counts from the instant at
//! which a request was to begin. A server that stalls is charged for all who would have come meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::http::Connection;

/// Connections that an open load may have at once. At a rate that is kept up, a handful are busy.
const OPEN_CONNECTIONS: usize = 256;
/// Latencies up to a minute, to three digits.
const LONGEST_US: u64 = 60_000_000;

/// What is asked.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The request of that number. No two runs use one number, so that no limit of a phone number is met.
    pub(crate) request: Arc<dyn Fn(u64) -> Request<Full<Bytes>> + Send + Sync>,
    /// Whether an answer is the right one.
    pub(crate) accepts: fn(&Response<Bytes>) -> bool,
    /// The number of the next request.
    pub(crate) next: Arc<AtomicU64>,
}

/// What a load ended with.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers altogether, the warm-up's too. None was wrong.
    pub(crate) all: u64,
    /// Of the counted answers, in microseconds.
    latency: Histogram<u64>,
    /// Of the counted requests of an open load, their numbers and when they were to begin.
    pub(crate) began: Vec<(u64, Instant)>,
    /// The counted time.
    lasted: Duration,
}

/// A request that is due.
struct Due {
    at: Instant,
    counted: bool,
}

impl Target {
    /// As many requests as so many connections get answered.
    pub(crate) async fn closed(
        &self,
        connections: usize,
        warm_up: Duration,
        lasts: Duration,
    ) -> anyhow::Result<Outcome> {
        let begin = Instant::now() + warm_up;
        let end = begin + lasts;
        let mut loops = JoinSet::new();
        for _ in 0..connections {
            let this = self.clone();
            loops.spawn(async move {
                let mut counts = Counts::new()?;
                let mut connection = Connection::to(this.address);
                loop {
                    let sent = Instant::now();
                    if sent >= end {
                        return Ok(counts);
                    }
                    this.ask(&mut connection).await?;
                    let answered = Instant::now();
                    counts.add((begin..end).contains(&answered), answered - sent);
                }
            });
        }
        gather(loops, lasts).await
    }

    /// So many requests a second.
    pub(crate) async fn open(
        &self,
        rate: u32,
        warm_up: Duration,
        lasts: Duration,
    ) -> anyhow::Result<Outcome> {
        let (due, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut loops = JoinSet::new();
        for _ in 0..OPEN_CONNECTIONS {
            let (this, queue) = (self.clone(), Arc::clone(&queue));
            loops.spawn(async move {
                let mut counts = Counts::new()?;
                let mut connection = Connection::to(this.address);
                loop {
                    let next = queue.lock().await.recv().await;
                    let Some(Due { at, counted }) = next else { return Ok(counts) };
                    let number = this.ask(&mut connection).await?;
                    counts.add(counted, at.elapsed());
                    counts.began.extend(counted.then_some((number, at)));
                }
            });
        }
        // A thread of its own: the runtime's timers are a millisecond late, which would be most of a latency.
        thread::spawn(move || pace(rate, warm_up, lasts, &due));
        gather(loops, lasts).await
    }

    async fn ask(&self, connection: &mut Connection) -> anyhow::Result<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = connection.ask((self.request)(number)).await?;
        let text = || String::from_utf8_lossy(answer.body()).into_owned();
        anyhow::ensure!((self.accepts)(&answer), "answered {}: {}", answer.status(), text());
        Ok(number)
    }
}

fn pace(rate: u32, warm_up: Duration, lasts: Duration, due: &mpsc::UnboundedSender<Due>) {
    let (begin, every) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut after = Duration::ZERO;
    while after < warm_up + lasts {
        thread::sleep((begin + after).saturating_duration_since(Instant::now()));
        if due.send(Due { at: begin + after, counted: after >= warm_up }).is_err() {
            return;
        }
        after += every;
    }
}

async fn gather(mut loops: JoinSet<anyhow::Result<Counts>>, lasted: Duration) -> anyhow::Result<Outcome> {
    let mut sum = Counts::new()?;
    while let Some(ended) = loops.join_next().await {
        let one = ended??;
        sum.all += one.all;
        sum.latency.add(&one.latency)?;
        sum.began.extend(one.began);
    }
    anyhow::ensure!(!sum.latency.is_empty(), "nothing was answered in the counted time");
    Ok(Outcome { all: sum.all, latency: sum.latency, began: sum.began, lasted })
}

/// What one connection saw.
struct Counts {
    all: u64,
    latency: Histogram<u64>,
    began: Vec<(u64, Instant)>,
}

impl Counts {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { all: 0, latency: Histogram::new_with_bounds(1, LONGEST_US, 3)?, began: Vec::new() })
    }

    fn add(&mut self, counted: bool, latency: Duration) {
        self.all += 1;
        if counted {
            self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
        }
    }
}

impl Outcome {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let answers = self.latency.len() as f64;
        answers / self.lasted.as_secs_f64()
    }

    /// A quantile of the latencies in milliseconds.
    pub(crate) fn milliseconds(&self, quantile: f64) -> f64 {
        milliseconds(&self.latency, quantile)
    }
}

/// A quantile in milliseconds of what was recorded in microseconds.
pub(crate) fn milliseconds(micros: &Histogram<u64>, quantile: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a minute in microseconds is far below 2^52")]
    let value = micros.value_at_quantile(quantile) as f64;
    value / 1000.0
}

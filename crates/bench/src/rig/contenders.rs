//! How each contender is started, and how it is known that it is ready.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::{env, fs};

use anyhow::Context as _;
use postrider_core::seal::KeyRing;
use sha2::{Digest as _, Sha256};

use super::asks::SECRET_KEY;
use super::http::Connection;
use super::process::{Contender, Start};
use super::provider::SECRET;
use super::queue::Watch;

/// The servers, programs and folders of a run.
pub(crate) struct Rig {
    pub(crate) amqp_url: String,
    pub(crate) redis_url: String,
    /// Our release binaries.
    pub(crate) bin_dir: PathBuf,
    /// The tutorial's stack.
    pub(crate) tutorial: PathBuf,
    /// The `bin` folder of the Python environment with its packages.
    pub(crate) python: PathBuf,
    /// The worker on celery-rs.
    pub(crate) celery_rs: PathBuf,
    /// For configurations and output.
    pub(crate) scratch: PathBuf,
    /// Shorter runs, for a look.
    pub(crate) quick: bool,
    /// Looks at the queues.
    pub(crate) watch: Watch,
}

/// How Celery's worker runs its tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) kind: &'static str,
    pub(crate) concurrency: u32,
    /// Messages handed out ahead, a task at once.
    pub(crate) prefetch_multiplier: u32,
    /// With events, and a result in Redis for every task.
    pub(crate) tracked: bool,
}

impl Pool {
    /// With so many messages fetched ahead that no place waits for the next one, and never all of a queue.
    pub(crate) fn tuned(kind: &'static str, concurrency: u32) -> Self {
        Self { kind, concurrency, prefetch_multiplier: (512 / concurrency).clamp(1, 64), tracked: false }
    }
}

/// Django's processes where it is not asked for its throughput; the case of the requests compares this with others.
pub(crate) const TUTORIAL_GUNICORN: &str = "--worker-class sync --workers 3";

impl Rig {
    /// The keys of api and worker, made at the first call.
    pub(crate) fn keys(&self) -> anyhow::Result<KeyRing> {
        for (name, id) in [("seal", "k1"), ("pepper", "p1")] {
            let path = self.scratch.join(name);
            if !path.exists() {
                fs::write(&path, KeyRing::generate_line(id))?;
            }
        }
        Ok(KeyRing::parse(&fs::read_to_string(self.scratch.join("seal"))?)?)
    }

    /// One of this program's own parts.
    pub(crate) fn part(&self, name: &str, args: &[&str]) -> anyhow::Result<Contender> {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.start(&Start::new(name, env::current_exe()?, args, &self.scratch))
    }

    /// Our api on that queue, once it is ready.
    pub(crate) async fn api(&self, queue: &str) -> anyhow::Result<(Contender, SocketAddr)> {
        self.keys()?;
        let hash = hex::encode(Sha256::digest(SECRET_KEY));
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[queue]\nname = {queue:?}\n{}\
             [keys]\npepper_file = \"pepper\"\nseal_file = \"seal\"\n\
             [[apps]]\nname = \"shop\"\nsecret_key_hashes = [\"sha256:{hash}\"]\n",
            self.servers()
        );
        let mut api = self.ours("postrider-api", &config, &[])?;
        api.prints("listening on http://").await?;
        let address = listening(&api.output())?;
        api.becomes(async || answers(address, "/readyz", 200).await).await?;
        Ok((api, address))
    }

    /// Our SMS worker on that queue, once it consumes.
    pub(crate) async fn worker(&self, queue: &str, provider: &str) -> anyhow::Result<Contender> {
        self.keys()?;
        let config = format!(
            "[[queues]]\nname = {queue:?}\nowned = true\n{}[keys]\nseal_file = \"seal\"\n\
             [sms]\nprovider = \"webhook\"\n[providers.webhook]\nurl = {provider:?}\nsecret = {SECRET:?}\n",
            self.servers()
        );
        let mut worker = self.ours("postrider-worker", &config, &["-c", "1000"])?;
        worker.prints("consuming").await?;
        Ok(worker)
    }

    /// The tutorial's view under gunicorn, once Django answers: 404, so that nothing is enqueued.
    pub(crate) async fn django(&self, queue: &str, workers: &str) -> anyhow::Result<(Contender, SocketAddr)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let args = format!("--bind {address} {workers} --backlog 1024 wsgi:application");
        let mut gunicorn = self.start(&self.tutorial("gunicorn", &args, queue, 4))?;
        gunicorn.becomes(async || answers(address, "/", 404).await).await?;
        Ok((gunicorn, address))
    }

    /// Celery's worker on that queue, once it consumes.
    pub(crate) async fn celery(&self, queue: &str, pool: Pool, provider: &str) -> anyhow::Result<Contender> {
        let Pool { kind, concurrency, prefetch_multiplier, tracked } = pool;
        let events = if tracked { "--task-events" } else { "" };
        let args = format!(
            "-A tasks worker -P {kind} -c {concurrency} -l warning --without-gossip --without-mingle \
             --without-heartbeat -n bench@localhost {events}"
        );
        let results = if tracked { self.redis_url.as_str() } else { "" };
        let start = self.tutorial("celery", &args, queue, prefetch_multiplier);
        let mut celery = self.start(&start.env("BENCH_PROVIDER", provider).env("BENCH_RESULTS", results))?;
        celery.prints("consuming").await?;
        Ok(celery)
    }

    /// A script of the tutorial's folder.
    pub(crate) fn script(&self, args: &str, queue: &str) -> anyhow::Result<Contender> {
        self.start(&self.tutorial("python", args, queue, 4))
    }

    /// A program of the tutorial's environment.
    fn tutorial(&self, program: &str, args: &str, queue: &str, prefetch_multiplier: u32) -> Start {
        let args = args.split_whitespace().map(str::to_owned).collect();
        Start::new(program, self.python.join(program), args, &self.tutorial)
            .env("BENCH_BROKER", &self.amqp_url.replace("%2f", "/"))
            .env("BENCH_REDIS", &self.redis_url)
            .env("BENCH_QUEUE", queue)
            .env("BENCH_PREFETCH_MULTIPLIER", &prefetch_multiplier.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
    }

    /// The worker on celery-rs, once it consumes.
    pub(crate) async fn celery_rs(&self, queue: &str) -> anyhow::Result<Contender> {
        let args = [self.amqp_url.as_str(), queue, "1000"].map(str::to_owned).into();
        let start = Start::new("celery-rs", self.celery_rs.clone(), args, &self.scratch);
        let mut worker = self.start(&start)?;
        worker.prints("consuming").await?;
        Ok(worker)
    }

    fn ours(&self, name: &str, config: &str, args: &[&str]) -> anyhow::Result<Contender> {
        let file = format!("{name}.toml");
        fs::write(self.scratch.join(&file), config)?;
        let args = ["--config", &file].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        self.start(&Start::new(name, self.bin_dir.join(name), args, &self.scratch))
    }

    fn servers(&self) -> String {
        format!("[amqp]\nurl = {:?}\n[redis]\nurl = {:?}\n", self.amqp_url, self.redis_url)
    }

    fn start(&self, start: &Start) -> anyhow::Result<Contender> {
        Contender::start(start, &self.scratch)
    }
}

/// The address that a server has printed.
pub(crate) fn listening(output: &str) -> anyhow::Result<SocketAddr> {
    let address = output.lines().rev().find_map(|line| line.split("http://").nth(1));
    let address =
        address.and_then(|rest| rest.split_whitespace().next()).context("no address was printed")?;
    Ok(address.parse()?)
}

/// Whether a GET is answered like that.
async fn answers(address: SocketAddr, path: &str, status: u16) -> bool {
    let request = hyper::Request::get(path).header(hyper::header::HOST, address.to_string());
    let Ok(request) = request.body(http_body_util::Full::default()) else { return false };
    Connection::to(address).ask(request).await.is_ok_and(|answer| answer.status() == status)
}

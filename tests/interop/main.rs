//! Stock Python Celery on the other side: its calls on our worker, our calls on its worker, and pika alone.

mod calls;
mod control;
mod events;
mod fleet;
mod flower;
mod inspect;
mod mixed;
mod own_queue;
mod plain_pika;
mod python;
mod python_worker;
mod results;

use std::time::{Duration, Instant};

use postrider_core::{broker::topology::Topology, clock::Clock};
use postrider_tests::{provider::Request, worker::Setup};

/// Far above what an answer takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

/// The queue as Celery makes it, for a producer that comes first.
fn as_celery(setup: &Setup) -> Topology {
    Topology::default().foreign_queue(&setup.queue)
}

/// When a request came, by the clock that Python reads too.
fn arrival_ms(request: &Request) -> i64 {
    let ago = Instant::now().duration_since(request.at);
    Clock::System.now_ms() - i64::try_from(ago.as_millis()).expect("it came just now")
}

//! One connection that any number of requests share.
//!
//! While one batch of commands is on its way, the next gathers; then it goes out with one write, is read by the server
//! with one read, and is answered the same way. An idle lane sends at once. Under load this takes most of the system
//! calls away, which cost more than the scripts do.

use deadpool_redis::redis::aio::{ConnectionLike as _, MultiplexedConnection};
use deadpool_redis::redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, Value};
use tokio::sync::{mpsc, oneshot};

/// How many commands go out together at most.
const MOST: usize = 128;

/// A connection and its place in the order in which connections were opened. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lane {
    pub opened: u64,
    calls: mpsc::UnboundedSender<Call>,
}

/// A command, and who waits for its answer.
struct Call {
    command: Cmd,
    answer: oneshot::Sender<Result<Value, RedisError>>,
}

impl Lane {
    /// The connection ends with the last clone of the lane, or when it fails.
    pub(super) fn new(opened: u64, connection: MultiplexedConnection) -> Self {
        // Without a bound: a request waits for its answer before it asks again.
        let (calls, waiting) = mpsc::unbounded_channel();
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the lane, and nobody who waits for an answer is lost with it"
        )]
        tokio::spawn(carry(connection, waiting));
        Self { opened, calls }
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, RedisError> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { command, answer }).map_err(|_| ended())?;
        let value = answered.await.map_err(|_| ended())??;
        Ok(T::from_redis_value(value.extract_error()?)?)
    }
}

async fn carry(mut connection: MultiplexedConnection, mut waiting: mpsc::UnboundedReceiver<Call>) {
    let mut batch = Vec::with_capacity(MOST);
    while waiting.recv_many(&mut batch, MOST).await > 0 {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        let mut askers = Vec::with_capacity(batch.len());
        for Call { command, answer } in batch.drain(..) {
            pipeline.add_command(command);
            askers.push(answer);
        }
        match connection.req_packed_commands(&pipeline, 0, askers.len()).await {
            // Who does not wait any more has hung up.
            Ok(values) => {
                for (asker, value) in askers.into_iter().zip(values) {
                    asker.send(Ok(value)).ok();
                }
            }
            // What waits behind a batch that failed would fail too, later: it is told at once that the connection ended.
            Err(error) => {
                for asker in askers {
                    asker.send(Err(error.clone())).ok();
                }
                return;
            }
        }
    }
}

fn ended() -> RedisError {
    (ErrorKind::Io, "the connection has ended").into()
}

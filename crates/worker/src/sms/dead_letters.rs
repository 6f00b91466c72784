//! `dead list|replay|drop`: the messages that could not be done.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use postrider_core::broker::message::Message;
use postrider_core::broker::topology::{DEAD, Topology};
use postrider_core::broker::{AmqpBroker, Broker, DeadLetters, Delivery};
use postrider_core::clock::Clock;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_worker::DeadLetter;
use postrider_worker::cli::{Failure, print};

use super::config::Settings;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Lists them, oldest first; nothing is changed.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Puts them back into their queues, their retries counted from zero. A code that has run out is left where it is.
    Replay(Which),
    /// Deletes them.
    Drop(Which),
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The task ids.
    ids: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn command(settings: &Settings, command: Command) -> Result<(), Failure> {
    let config = settings.engine.amqp()?;
    let look = DeadLetters::open(&config, DEAD).await.context("the broker cannot be reached")?;
    let mut count = Count::default();
    let shutdown = Shutdown::new();
    let replayer = match command {
        Command::Replay(_) => {
            let keys = settings.keys.seal()?;
            let broker = AmqpBroker::start(config, Topology::default().probe_queue(), &shutdown);
            broker.first_look().await.context("the broker cannot be published to")?;
            Some((Broker::Amqp(broker), keys))
        }
        _ => None,
    };
    // What is buried anew while this command runs, a replayed task that fails at once say, is for the next one.
    let begun = Clock::System.now();
    while let Some(delivery) = look.next().await.context("the dead-letter queue cannot be read")? {
        let letter = DeadLetter::read(&delivery.message);
        if letter.died_at.is_some_and(|died| died > begun) {
            break;
        }
        match &command {
            Command::List { json } => {
                print(&line(&letter, *json));
                count.seen += 1;
            }
            Command::Drop(which) if which.means(&letter) => {
                delivery.ack().await;
                count.done += 1;
            }
            Command::Replay(which) if which.means(&letter) => {
                let (broker, keys) = replayer.as_ref().expect("connected for a replay");
                match replay(&letter, delivery, broker, keys).await {
                    Ok(()) => count.done += 1,
                    Err(reason) => {
                        print(&format!("{} stays: {reason}", letter.id));
                        count.refused += 1;
                    }
                }
            }
            Command::Drop(_) | Command::Replay(_) => count.seen += 1,
        }
    }
    // What was looked at and not acked goes back when the connection closes.
    look.close().await;
    if let Some((broker, _)) = replayer {
        broker.close();
    }
    report(&command, &count)
}

#[derive(Debug, Default)]
struct Count {
    seen: u32,
    done: u32,
    refused: u32,
}

impl Which {
    fn means(&self, letter: &DeadLetter) -> bool {
        self.all || self.ids.contains(&letter.id)
    }
}

async fn replay(
    letter: &DeadLetter,
    delivery: Delivery,
    broker: &Broker,
    keys: &KeyRing,
) -> Result<(), String> {
    let now = Clock::System.now();
    let (queue, message): (String, Message) =
        letter.replay(&delivery.message, Some(keys), now).map_err(|error| error.to_string())?;
    broker.publish(&queue, &message).await.map_err(|error| error.to_string())?;
    delivery.ack().await;
    Ok(())
}

fn report(command: &Command, count: &Count) -> Result<(), Failure> {
    let Count { seen, done, refused } = count;
    match command {
        Command::List { json: true } => {}
        Command::List { json: false } => print(&format!("{seen} dead letters")),
        Command::Drop(_) => print(&format!("{done} dropped")),
        Command::Replay(_) => print(&format!("{done} replayed, {refused} left")),
    }
    let asked = match command {
        Command::List { .. } => return Ok(()),
        Command::Drop(which) | Command::Replay(which) => which,
    };
    if *refused > 0 || (!asked.all && (*done as usize) < asked.ids.len()) {
        return Err(anyhow::anyhow!("not all that were named were found or could be replayed").into());
    }
    Ok(())
}

fn line(letter: &DeadLetter, json: bool) -> String {
    if json {
        return serde_json::to_string(letter).expect("texts and instants are JSON");
    }
    let when = letter.died_at.map(|at| at.to_string()).unwrap_or_default();
    let id = if letter.id.is_empty() { "-" } else { &letter.id };
    let task = if letter.task.is_empty() { "-" } else { &letter.task };
    format!("{when} {id} {task} from {} {}: {}", letter.queue, letter.reason, letter.detail)
}

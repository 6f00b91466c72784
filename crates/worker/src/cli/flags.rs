//! The flags of a worker: Celery's, with Celery's letters. They stand above the environment and the configuration file.

use std::path::PathBuf;

use clap::Args;

use super::ignored::Ignored;
use super::node_name;

/// Flags that stand above the configuration file and the environment.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Worker")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as Celery has it")]
pub struct Flags {
    /// The configuration file (TOML). `config default` prints the manual.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where RabbitMQ is. Others on this machine can read a password that is given here.
    #[arg(short = 'b', long, global = true, value_name = "URL")]
    pub broker: Option<String>,
    /// Where results go: redis://…, rpc://, or empty for nowhere.
    #[arg(long, global = true, value_name = "URL")]
    pub result_backend: Option<String>,
    /// The node name; %h is the host name, %n its first part, %d the rest of it.
    #[arg(short = 'n', long = "hostname", global = true, value_name = "NAME")]
    pub name: Option<String>,
    /// How many tasks run at once; auto or 0 is as many as without it.
    #[arg(short = 'c', long, global = true, value_name = "N", value_parser = places)]
    pub concurrency: Option<usize>,
    /// The pool: async (eventlet, gevent), threads (prefork, processes) or solo.
    #[arg(short = 'P', long, global = true, value_name = "POOL")]
    pub pool: Option<String>,
    /// The queues to consume, with commas between them.
    #[arg(short = 'Q', long, global = true, value_delimiter = ',', value_name = "QUEUES")]
    pub queues: Option<Vec<String>>,
    /// The queues not to consume, with commas between them.
    #[arg(short = 'X', long, global = true, value_delimiter = ',', value_name = "QUEUES")]
    pub exclude_queues: Option<Vec<String>>,
    /// The least level that is logged: error, warning, info, debug.
    #[arg(short = 'l', long = "loglevel", global = true, value_name = "LEVEL")]
    pub level: Option<String>,
    /// Logs into this file and not to standard error; %n is the node's name, %h its host.
    #[arg(short = 'f', long, global = true, value_name = "FILE")]
    pub logfile: Option<String>,
    /// Says what tasks do from the start, for monitors.
    #[arg(short = 'E', long, visible_alias = "events", global = true)]
    pub task_events: bool,
    /// How many messages are fetched ahead for each place in the pool; 0 is without a bound.
    #[arg(long, global = true, value_name = "N")]
    pub prefetch_multiplier: Option<u16>,
    /// After how many seconds a task has failed.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<String>,
    /// After how many seconds a task is told that its time is over.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub soft_time_limit: Option<String>,
    /// Lets the pool follow its load between two sizes.
    #[arg(long, global = true, value_name = "MAX,MIN")]
    pub autoscale: Option<String>,
    /// Throws away what lies in the queues before it consumes them.
    #[arg(long, visible_alias = "discard", global = true)]
    pub purge: bool,
    /// Where revoked tasks are remembered across restarts; %n is the node's name, %h its host.
    #[arg(short = 'S', long = "statedb", global = true, value_name = "FILE")]
    pub state_file: Option<String>,
    /// Answers no elections of Celery's workers.
    #[arg(long, global = true)]
    pub without_gossip: bool,
    /// Does not ask the other workers at the start what they have revoked.
    #[arg(long, global = true)]
    pub without_mingle: bool,
    /// Sends no heartbeats: monitors do not list this worker.
    #[arg(long, global = true)]
    pub without_heartbeat: bool,
    /// The seconds between two heartbeats.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub heartbeat_interval: Option<String>,
    /// Keeps the process id in this file; %n is the node's name, %h its host.
    #[arg(long, global = true, value_name = "FILE")]
    pub pidfile: Option<String>,
    /// The folder of the log file, the file with the process id and the state file, where they are relative.
    #[arg(long, global = true, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// What Celery has beside these.
    #[command(flatten)]
    pub ignored: Ignored,
}

impl Flags {
    /// The keys of the configuration that were given as flags.
    pub fn overrides(&self) -> Vec<(&'static str, Option<String>)> {
        let off = |given: bool, text: &str| given.then(|| text.to_owned());
        let heartbeat = self.heartbeat_interval.clone();
        vec![
            ("amqp.url", self.broker.clone()),
            ("results.url", self.result_backend.clone()),
            ("worker.name", self.name.clone()),
            (
                "worker.concurrency",
                self.concurrency.filter(|number| *number > 0).map(|number| number.to_string()),
            ),
            ("worker.pool", self.pool.clone()),
            ("worker.prefetch_multiplier", self.prefetch_multiplier.map(|number| number.to_string())),
            ("worker.time_limit", self.time_limit.clone()),
            ("worker.soft_time_limit", self.soft_time_limit.clone()),
            ("worker.autoscale", self.autoscale.clone()),
            ("worker.state_file", self.state_file.as_ref().map(|path| self.in_workdir(path))),
            ("control.task_events", off(self.task_events, "true")),
            ("control.gossip", off(self.without_gossip, "false")),
            ("control.mingle", off(self.without_mingle, "false")),
            ("control.heartbeat", off(self.without_heartbeat, "0s").or(heartbeat)),
            ("log.level", self.level.clone()),
        ]
    }

    /// What was given for a Celery worker's sake and does nothing here.
    pub fn notes(&self) -> Vec<String> {
        self.ignored.notes()
    }

    /// The path of a file for a node.
    pub(super) fn path(&self, text: Option<&String>, node: &str) -> Option<PathBuf> {
        text.map(|text| PathBuf::from(node_name::in_path(&self.in_workdir(text), node)))
    }

    /// The process stays where it was started, so that it can be started anew there.
    fn in_workdir(&self, path: &str) -> String {
        let workdir = self.workdir.as_ref().filter(|_| !path.is_empty());
        workdir.map_or_else(|| path.to_owned(), |dir| dir.join(path).to_string_lossy().into_owned())
    }
}

/// A number of tasks, `auto` as Celery 5.7 takes it for 0.
fn places(text: &str) -> Result<usize, String> {
    if text == "auto" {
        return Ok(0);
    }
    text.parse().map_err(|_| "is not a number of tasks, nor auto".to_owned())
}

/// Celery's seconds, fractions too, as the configuration writes durations.
fn seconds(text: &str) -> Result<String, String> {
    let seconds: f64 = text.parse().map_err(|_| "is not a number of seconds".to_owned())?;
    if !(0.0..=1e9).contains(&seconds) {
        return Err("must be 0 to 1000000000 seconds".into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was looked at")]
    let millis = (seconds * 1000.0).round() as u64;
    Ok(format!("{millis}ms"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn given(line: &str) -> (Vec<(&'static str, String)>, Flags) {
        let flags = Line::parse_from(std::iter::once("worker").chain(line.split_whitespace())).flags;
        let given = flags.overrides().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        (given, flags)
    }

    #[test]
    fn celerys_letters_are_settings() {
        for (line, key, value) in [
            ("-b amqp://h", "amqp.url", "amqp://h"),
            ("--result-backend rpc://", "results.url", "rpc://"),
            ("-n w1@%h", "worker.name", "w1@%h"),
            ("--hostname=w1@%h", "worker.name", "w1@%h"),
            ("-c4", "worker.concurrency", "4"),
            ("-P gevent", "worker.pool", "gevent"),
            ("--time-limit 30", "worker.time_limit", "30000ms"),
            ("--soft-time-limit=1.5", "worker.soft_time_limit", "1500ms"),
            ("--autoscale=10,3", "worker.autoscale", "10,3"),
            ("--prefetch-multiplier 0", "worker.prefetch_multiplier", "0"),
            ("-S w1.state", "worker.state_file", "w1.state"),
            ("-S w1.state --workdir /srv", "worker.state_file", "/srv/w1.state"),
            ("-E", "control.task_events", "true"),
            ("--events", "control.task_events", "true"),
            ("--without-heartbeat", "control.heartbeat", "0s"),
            ("--heartbeat-interval 5", "control.heartbeat", "5000ms"),
            ("--without-gossip", "control.gossip", "false"),
            ("--without-mingle", "control.mingle", "false"),
            ("-l INFO", "log.level", "INFO"),
        ] {
            assert_eq!(given(line).0, [(key, value.to_owned())], "{line}");
        }
        for line in ["-c auto", "-c 0"] {
            assert_eq!(given(line).0, [], "{line}");
        }
        assert!(Line::try_parse_from(["worker", "-c", "many"]).is_err());
        assert!(Line::try_parse_from(["worker", "--time-limit", "soon"]).is_err());
        assert!(Line::try_parse_from(["worker", "--time-limit=-1"]).is_err());
    }

    #[test]
    fn what_does_nothing_says_so() {
        let (settings, flags) = given(
            "-A shop.celery -Ofair --max-tasks-per-child 100 --max-memory-per-child 9000 --pool-start-method fork \
             --disable-prefetch -I shop.tasks -s beat.db --scheduler S --loader L --skip-checks -q -C --executable python3 \
             --purge",
        );

        assert!(settings.is_empty() && flags.purge);
        let notes = flags.notes();
        assert_eq!(notes.len(), 14, "{notes:?}");
        assert!(notes[0].contains("-A shop.celery: ignored"), "{notes:?}");
        assert!(notes[5].starts_with("--disable-prefetch: ignored"), "{notes:?}");
    }
}

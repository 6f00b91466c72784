//! The flags of a worker: Celery's, with Celery's letters. They stand above the environment and the configuration file.

use std::path::PathBuf;

use clap::Args;

use super::node_name;

/// Flags that stand above the configuration file and the environment.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Worker")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as Celery has it")]
pub struct Flags {
    /// The configuration file (TOML). `config default` prints the manual.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Celery's application. There is none here: it is ignored.
    #[arg(short = 'A', long, global = true, value_name = "APP")]
    pub app: Option<String>,
    /// Where RabbitMQ is. Others on this machine can read a password that is given here.
    #[arg(short = 'b', long, global = true, value_name = "URL")]
    pub broker: Option<String>,
    /// Where results go: redis://…, rpc://, or empty for nowhere.
    #[arg(long, global = true, value_name = "URL")]
    pub result_backend: Option<String>,
    /// The node name; %h is the host name, %n its first part, %d the rest of it.
    #[arg(short = 'n', long = "hostname", global = true, value_name = "NAME")]
    pub name: Option<String>,
    /// How many tasks run at once.
    #[arg(short = 'c', long, global = true, value_name = "N")]
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
    #[arg(short = 'E', long, global = true)]
    pub task_events: bool,
    /// Celery's way of handing tasks to processes. It changes nothing here.
    #[arg(short = 'O', long, global = true, value_name = "PROFILE")]
    pub optimization: Option<String>,
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
    /// Celery's remedy for processes that leak. It changes nothing here.
    #[arg(long, global = true, value_name = "N")]
    pub max_tasks_per_child: Option<u64>,
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
            ("worker.concurrency", self.concurrency.map(|number| number.to_string())),
            ("worker.pool", self.pool.clone()),
            ("worker.prefetch_multiplier", self.prefetch_multiplier.map(|number| number.to_string())),
            ("worker.time_limit", self.time_limit.clone()),
            ("worker.soft_time_limit", self.soft_time_limit.clone()),
            ("worker.autoscale", self.autoscale.clone()),
            ("worker.state_file", self.state_file.clone()),
            ("control.task_events", off(self.task_events, "true")),
            ("control.gossip", off(self.without_gossip, "false")),
            ("control.mingle", off(self.without_mingle, "false")),
            ("control.heartbeat", off(self.without_heartbeat, "0s").or(heartbeat)),
            ("log.level", self.level.clone()),
        ]
    }

    /// What was given for a Celery worker's sake and does nothing here.
    pub fn notes(&self) -> Vec<String> {
        let app =
            self.app.as_ref().map(|app| format!("-A {app}: ignored, the tasks are those of this program"));
        let fair = self.optimization.as_ref().map(|profile| {
            format!(
                "-O {profile}: ignored, a task goes to a place that is free and never waits behind another"
            )
        });
        let child = self.max_tasks_per_child.map(|count| {
            format!("--max-tasks-per-child {count}: ignored, the pool has no processes that could leak")
        });
        app.into_iter().chain(fair).chain(child).collect()
    }

    /// The path of a file for a node.
    pub(super) fn path(text: Option<&String>, node: &str) -> Option<PathBuf> {
        text.map(|text| PathBuf::from(node_name::in_path(text, node)))
    }
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
            ("-E", "control.task_events", "true"),
            ("--without-heartbeat", "control.heartbeat", "0s"),
            ("--heartbeat-interval 5", "control.heartbeat", "5000ms"),
            ("--without-gossip", "control.gossip", "false"),
            ("--without-mingle", "control.mingle", "false"),
            ("-l INFO", "log.level", "INFO"),
        ] {
            assert_eq!(given(line).0, [(key, value.to_owned())], "{line}");
        }
        assert!(Line::try_parse_from(["worker", "--time-limit", "soon"]).is_err());
        assert!(Line::try_parse_from(["worker", "--time-limit=-1"]).is_err());
    }

    #[test]
    fn what_does_nothing_says_so() {
        let (settings, flags) = given("-A shop.celery -Ofair --max-tasks-per-child 100 --purge");

        assert!(settings.is_empty() && flags.purge);
        let notes = flags.notes();
        assert_eq!(notes.len(), 3);
        assert!(notes[0].contains("-A shop.celery"), "{notes:?}");
    }
}

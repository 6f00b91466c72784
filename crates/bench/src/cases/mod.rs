//! The cases, and the rounds in which their contenders take turns.

mod backlog;
mod case;
mod create;
mod enqueue;
mod idle;
mod latency;
mod noop;
mod sends;
mod steady;
mod tracked;

use std::path::PathBuf;

use anyhow::Context as _;

pub(crate) use case::{Case, Contender, Figure, Goal, Kind, Spec};

use crate::report;
use crate::report::results::Results;
use crate::rig::contenders::Rig;
use crate::rig::queue::Watch;

/// All of them, in the order of the report.
const CASES: [&dyn Case; 10] = [
    &create::Create,
    &noop::Noop,
    &tracked::Tracked,
    &backlog::Backlog,
    &steady::Steady,
    &enqueue::Enqueue,
    &sends::Sends,
    &latency::Latency,
    &idle::Idle::Server,
    &idle::Idle::Worker,
];

/// What to run, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A RabbitMQ of the run's own.
    #[arg(long)]
    amqp_url: String,
    /// A Redis of the run's own; it is emptied again and again.
    #[arg(long)]
    redis_url: String,
    /// The folder of our release binaries.
    #[arg(long)]
    bin_dir: PathBuf,
    /// The folder of the tutorial's stack.
    #[arg(long)]
    tutorial: PathBuf,
    /// The `bin` folder of a Python environment with its requirements.
    #[arg(long)]
    python: PathBuf,
    /// The worker on celery-rs.
    #[arg(long)]
    celery_rs: PathBuf,
    /// How often every contender is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these cases, and of a case only these contenders: `noop`, `noop:ours`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Shorter runs, for a look.
    #[arg(long)]
    quick: bool,
    /// What the machine is, for the report.
    #[arg(long, default_value = "")]
    machine: String,
    /// Where results.json, results.md and results.svg go; without it nowhere.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let scratch = tempfile::Builder::new().prefix("postrider-bench.").tempdir()?;
    let rig = Rig {
        watch: Watch::connect(&args.amqp_url).await?,
        amqp_url: args.amqp_url,
        redis_url: args.redis_url,
        bin_dir: args.bin_dir,
        tutorial: args.tutorial,
        python: args.python,
        celery_rs: args.celery_rs,
        scratch: scratch.path().to_owned(),
        quick: args.quick,
    };
    let mut results = Results::new(args.machine, args.rounds);
    for case in CASES {
        let spec = case.spec();
        let chosen = |contender: &&Contender| is_chosen(&args.only, spec.name, contender.id);
        let contenders: Vec<&Contender> = spec.contenders.iter().filter(chosen).collect();
        for round in 1..=case.rounds(args.rounds) {
            for contender in &contenders {
                let measured = case.measure(&rig, contender.id).await;
                let values = measured.with_context(|| format!("{}:{}", spec.name, contender.id))?;
                report::progress(spec, contender, round, &values);
                results.add(spec, contender, values);
            }
        }
    }
    rig.watch.close().await?;
    anyhow::ensure!(!results.is_empty(), "--only names no case; there are {}", names());
    report::write(&results, args.out.as_deref())
}

fn is_chosen(only: &[String], case: &str, contender: &str) -> bool {
    only.is_empty()
        || only.iter().any(|one| match one.split_once(':') {
            Some((case_of, contender_of)) => case_of == case && contender_of == contender,
            None => one == case,
        })
}

fn names() -> String {
    CASES.map(|case| case.spec().name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_chosen_whole_or_by_its_contenders() {
        let only = ["noop".to_owned(), "create:ours".to_owned()];

        assert!(is_chosen(&[], "sends", "ours"));
        assert!(is_chosen(&only, "noop", "ceiling"));
        assert!(is_chosen(&only, "create", "ours"));
        assert!(!is_chosen(&only, "create", "ceiling"));
        assert!(!is_chosen(&only, "sends", "ours"));
    }

    #[test]
    fn every_goal_names_contenders_and_figures_that_there_are() {
        for spec in CASES.map(Case::spec) {
            assert_eq!(spec.contenders.first().map(|first| first.kind), Some(Kind::Ours), "{}", spec.name);
            for goal in spec.goals {
                match goal {
                    Goal::Times(_, of) => {
                        for id in *of {
                            assert!(spec.contenders.iter().any(|one| one.id == *id), "{}: {id}", spec.name);
                        }
                    }
                    Goal::AtLeast(figure, _) | Goal::AtMost(figure, _) => {
                        assert!(*figure < spec.figures.len());
                    }
                }
            }
        }
    }
}

//! Options of Celery's command line that mean nothing here. They are taken, each with a note, so that the line that started
//! Celery's worker starts this one.

use clap::Args;

/// Options that change nothing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Celery's, ignored")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, as Celery has it")]
pub struct Ignored {
    /// Celery's application: the tasks are those of this program.
    #[arg(short = 'A', long, global = true, value_name = "APP")]
    app: Option<String>,
    /// Celery's way of handing tasks to processes.
    #[arg(short = 'O', long, global = true, value_name = "PROFILE")]
    optimization: Option<String>,
    /// Celery's remedy for processes that leak.
    #[arg(long, global = true, value_name = "N")]
    max_tasks_per_child: Option<u64>,
    /// The same, by their size.
    #[arg(long, global = true, value_name = "KIB")]
    max_memory_per_child: Option<u64>,
    /// How Celery starts processes.
    #[arg(long, global = true, value_name = "METHOD")]
    pool_start_method: Option<String>,
    /// Celery's option for Redis as a broker.
    #[arg(long, global = true)]
    disable_prefetch: bool,
    /// Modules with tasks.
    #[arg(short = 'I', long, global = true, value_name = "MODULES")]
    include: Option<String>,
    /// Where beat keeps its schedule.
    #[arg(short = 's', long, alias = "schedule-filename", global = true, value_name = "FILE")]
    schedule: Option<String>,
    /// Beat's scheduler.
    #[arg(long, global = true, value_name = "CLASS")]
    scheduler: Option<String>,
    /// Where Celery finds its configuration.
    #[arg(long, global = true, value_name = "LOADER")]
    loader: Option<String>,
    /// Django's checks at the start.
    #[arg(long, global = true)]
    skip_checks: bool,
    /// Celery's banner.
    #[arg(short = 'q', long, global = true)]
    quiet: bool,
    /// Colours are for terminals only.
    #[arg(short = 'C', long, global = true)]
    no_color: bool,
    /// The Python to run.
    #[arg(long, global = true, value_name = "FILE")]
    executable: Option<String>,
}

impl Ignored {
    /// What was given, and why it does nothing.
    pub(super) fn notes(&self) -> Vec<String> {
        const LEAKS: &str = "the pool has no processes that could leak";
        const BEAT: &str = "beat is Python's";
        const PYTHON: &str = "there is no Python here";
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let given = |given: bool| given.then(String::new);
        let options = [
            ("-A", self.app.clone(), "the tasks are those of this program"),
            (
                "-O",
                self.optimization.clone(),
                "a task goes to a place that is free and never waits behind another",
            ),
            ("--max-tasks-per-child", number(self.max_tasks_per_child), LEAKS),
            ("--max-memory-per-child", number(self.max_memory_per_child), LEAKS),
            ("--pool-start-method", self.pool_start_method.clone(), "the pool has no processes"),
            (
                "--disable-prefetch",
                given(self.disable_prefetch),
                "as with Celery on RabbitMQ; see --prefetch-multiplier",
            ),
            ("-I", self.include.clone(), "the tasks are those of this program"),
            ("-s", self.schedule.clone(), BEAT),
            ("--scheduler", self.scheduler.clone(), BEAT),
            ("--loader", self.loader.clone(), PYTHON),
            ("--skip-checks", given(self.skip_checks), PYTHON),
            ("-q", given(self.quiet), "there is no banner; see -l"),
            ("-C", given(self.no_color), "only a terminal gets colours"),
            ("--executable", self.executable.clone(), PYTHON),
        ];
        let note = |(option, value, why): (&str, Option<String>, &str)| {
            let written = format!("{option} {}", value?);
            Some(format!("{}: ignored, {why}", written.trim_end()))
        };
        options.into_iter().filter_map(note).collect()
    }
}

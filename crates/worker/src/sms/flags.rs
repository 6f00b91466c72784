//! The flags that stand above the configuration file and the environment.

use std::path::PathBuf;

use clap::Args;

/// Flags that stand above the configuration file and the environment.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// The configuration file (TOML). `config default` prints the manual.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How many tasks run at once.
    #[arg(short = 'c', long, global = true, value_name = "N")]
    pub concurrency: Option<usize>,
    /// The least level that is logged: error, warning, info, debug.
    #[arg(short = 'l', long = "loglevel", global = true, value_name = "LEVEL")]
    pub level: Option<String>,
    /// The queues to consume, with commas between them.
    #[arg(short = 'Q', long, global = true, value_delimiter = ',', value_name = "QUEUES")]
    pub queues: Option<Vec<String>>,
    /// The node name; %h is the host name.
    #[arg(short = 'n', long = "hostname", global = true, value_name = "NAME")]
    pub name: Option<String>,
}

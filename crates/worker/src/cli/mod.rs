//! The command line of a worker: Celery's options with Celery's letters, for any program's own tasks.
//!
//! ```no_run
//! use postrider_core::task::{Context, Compute, Registry, Task, TaskError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Add(i64, i64);
//!
//! impl Task for Add {
//!     const NAME: &'static str = "tasks.add";
//! }
//!
//! impl Compute<()> for Add {
//!     type Output = i64;
//!
//!     async fn compute(self, _services: &(), _context: &Context) -> Result<i64, TaskError> {
//!         Ok(self.0 + self.1)
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     postrider_worker::cli::main(Registry::new().register::<Add>(), ())
//! }
//! ```
//!
//! That program takes `worker -Q celery -c 8 -b amqp://… --result-backend redis://…`, a configuration file and the
//! environment, answers `celery inspect`, and has `inspect`, `control` and `status` itself. [`App`] is the same with a
//! queue of its own and services that are made when the worker starts. What a program of several parts needs, as the SMS
//! worker does, is public too: the flags, the sections of the configuration, the process.

mod answer;
mod app;
mod commands;
mod flags;
mod ignored;
mod node_name;
mod pidfile;
mod process;
mod remote;
mod restart;
pub mod settings;
mod signals;
mod topology;

pub use answer::{Failure, print, print_failure};
pub use app::{App, ServicesError, main, run};
pub use commands::{Command, ConfigCommand, Configuration};
pub use flags::Flags;
pub use process::{End, Process};
pub use remote::{Asked, Asking};
pub use topology::TopologyCommand;

//! `inspect`, `control` and `status`: remote control of all workers, Celery's and ours, without Python.

use std::time::Duration;

use clap::Args;
use postrider_core::broker::topology::Topology;
use postrider_core::broker::{AmqpBroker, Broker};
use postrider_core::clock::Clock;
use postrider_core::remote::Remote;
use postrider_core::shutdown::Shutdown;

use super::answer::{Failure, print};
use super::settings::EngineSettings;
use crate::control::{ClientCommand, CommandKind};

/// Whom to ask, and for how long.
#[derive(Debug, Clone, Args)]
pub struct Asking {
    /// The nodes that are meant, with commas between them; all without it.
    #[arg(short = 'd', long, value_delimiter = ',', value_name = "NODES")]
    destination: Vec<String>,
    /// How many seconds to wait for the next answer.
    #[arg(short = 't', long, default_value_t = 1.0, value_name = "SECONDS")]
    timeout: f64,
    /// Prints JSON.
    #[arg(short = 'j', long)]
    json: bool,
}

/// A command for workers, with its arguments.
#[derive(Debug, Clone, Args)]
pub struct Asked {
    #[command(flatten)]
    asking: Asking,
    /// The command; an unknown one prints all that there are.
    #[arg(value_name = "COMMAND")]
    name: String,
    /// Its arguments.
    #[arg(value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Asked {
    pub(super) async fn run(self, settings: &EngineSettings, kind: CommandKind) -> Result<(), Failure> {
        let Self { asking, name, arguments } = self;
        let command = ClientCommand::parse(kind, &name, &arguments, asking.destination.clone())
            .map_err(|error| Failure::Usage(error.to_string()))?;
        asking.run(settings, command).await
    }
}

impl Asking {
    pub(super) async fn status(self, settings: &EngineSettings) -> Result<(), Failure> {
        let command = ClientCommand::status(self.destination.clone());
        self.run(settings, command).await
    }

    async fn run(self, settings: &EngineSettings, command: ClientCommand) -> Result<(), Failure> {
        let patience = Duration::try_from_secs_f64(self.timeout)
            .map_err(|_| Failure::Usage(format!("--timeout {}: is no time to wait", self.timeout)))?;
        let shutdown = Shutdown::new();
        // Nothing is declared here: the request goes over a connection of its own.
        let broker = Broker::Amqp(AmqpBroker::start(settings.amqp()?, Topology::default(), &shutdown));
        let remote = Remote::new(broker.clone(), settings.control.namespace(), Clock::System)
            .with_serializer(settings.control.serializer());
        let answered = command.run(&remote, patience, self.json).await.map_err(anyhow::Error::from)?;
        broker.close();
        if answered.nodes == 0 {
            return Err(Failure::Unanswered(answered.text));
        }
        print(&answered.text);
        Ok(())
    }
}

//! `topology print|check|apply`: the exchanges, queues and bindings on the broker.

use clap::Subcommand;
use postrider_core::broker::message::Value;
use postrider_core::broker::topology::{Destination, Topology};
use postrider_core::broker::{TopologyError, check_topology};

use super::answer::{Failure, print};
use super::settings::EngineSettings;

/// The exchanges and queues on the broker.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum TopologyCommand {
    /// Prints what this configuration needs.
    Print,
    /// Says whether the broker has it; exit code 1 if not.
    Check,
    /// Creates what the broker lacks.
    Apply,
}

pub(super) async fn command(
    program: &str,
    settings: &EngineSettings,
    command: TopologyCommand,
) -> Result<(), Failure> {
    let topology = settings.topology();
    if let TopologyCommand::Print = command {
        print(describe(&topology).trim_end());
    } else {
        let apply = matches!(command, TopologyCommand::Apply);
        check_topology(&settings.amqp()?, &topology, apply).await.map_err(|error| match error {
            TopologyError::Missing(what) if !apply => {
                anyhow::anyhow!("{what} does not exist: run `{program} topology apply`")
            }
            error => anyhow::Error::from(error),
        })?;
        print(&format!(
            "the broker has all {} exchanges and {} queues",
            topology.exchanges.len(),
            topology.queues.len()
        ));
    }
    if let Some(warning) = settings.classic_warning() {
        print(warning);
    }
    Ok(())
}

fn describe(topology: &Topology) -> String {
    let mut lines = Vec::new();
    for exchange in &topology.exchanges {
        lines.push(format!("exchange {} ({})", exchange.name, exchange.kind.name()));
    }
    for queue in &topology.queues {
        let arguments: Vec<String> =
            queue.arguments.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        let owner = if queue.owned { "" } else { ", another program's" };
        lines.push(format!("queue {} (durable{owner}) {}", queue.name, arguments.join(" ")));
    }
    for binding in &topology.bindings {
        let (kind, name) = match &binding.destination {
            Destination::Queue(name) => ("queue", name),
            Destination::Exchange(name) => ("exchange", name),
        };
        let arguments = binding.arguments.iter().map(|(name, value)| format!(" {name}={}", plain(value)));
        let arguments: String = arguments.collect();
        lines.push(format!("binding {} -> {kind} {name} key {}{arguments}", binding.source, binding.key));
    }
    lines.join("\n")
}

fn plain(value: &Value) -> String {
    match (value.as_str(), value.as_i64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) => number.to_string(),
        _ => format!("{value:?}"),
    }
}

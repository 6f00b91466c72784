//! Two topologies as one, and the way to each of their queues.

use super::{ExchangeKind, Queue, Topology};

/// How a queue is reached by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Through the exchange of its name.
    Exchange,
    /// Through the default exchange: the exchange of its name is one that leads to other queues too.
    Default,
}

impl Topology {
    /// Adds what another one has. Of two objects of one name the one that was there stays.
    pub fn extend(&mut self, more: Self) {
        for exchange in more.exchanges {
            self.add_exchange(&exchange.name, exchange.kind, exchange.owned);
        }
        for queue in more.queues {
            if !self.queues.iter().any(|there| there.name == queue.name) {
                self.queues.push(queue);
            }
        }
        for binding in more.bindings {
            self.add_binding(binding);
        }
    }

    /// How each of its queues is reached by its name.
    pub fn homes(&self) -> impl Iterator<Item = (&str, Home)> {
        let fanned = |name: &str| {
            let kind = self.exchanges.iter().find(|exchange| exchange.name == name).map(|found| found.kind);
            !matches!(kind, Some(ExchangeKind::Direct | ExchangeKind::Topic))
        };
        self.queues.iter().map(move |Queue { name, .. }| {
            (name.as_str(), if fanned(name) { Home::Default } else { Home::Exchange })
        })
    }
}

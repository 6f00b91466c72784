//! The delay ladder: its rungs, and the way through them to a queue. The story is in the module above.

use std::time::Duration;

use super::super::message::Value;
use super::{Destination, ExchangeKind, Queue, QueueType, Topology, table};

/// Rungs of the delay ladder; the longest delay is `2^18 - 1` seconds, a little over 72 hours.
pub const RUNGS: u32 = 18;
/// What the names of its exchanges and queues begin with.
const LADDER: &str = "postrider.delay.";
const DUE: &str = "postrider.delay.due";

impl Topology {
    /// The delay ladder, and the way from its foot to each of the queues.
    #[must_use]
    pub fn delay_ladder<'a>(mut self, kind: QueueType, targets: impl IntoIterator<Item = &'a str>) -> Self {
        self.add_exchange(DUE, ExchangeKind::Topic, true);
        for target in targets {
            self.bind(DUE, Destination::Queue(target.into()), &due_key(target));
        }
        for rung in 0..RUNGS {
            let name = rung_name(rung);
            let below = if rung == 0 { DUE.to_owned() } else { rung_name(rung - 1) };
            let pattern = |bit: char| format!("{}{bit}.#", "*.".repeat((RUNGS - 1 - rung) as usize));
            let mut arguments = table([
                ("x-message-ttl", Value::I64(1000 << rung)),
                ("x-dead-letter-exchange", below.as_str().into()),
            ]);
            if kind == QueueType::Quorum {
                arguments.extend(table([
                    ("x-queue-type", "quorum".into()),
                    ("x-dead-letter-strategy", "at-least-once".into()),
                    ("x-overflow", "reject-publish".into()),
                ]));
            }
            self.add_exchange(&name, ExchangeKind::Topic, true);
            self.queues.push(Queue { name: name.clone(), arguments, owned: true });
            self.bind(&name, Destination::Queue(name.clone()), &pattern('1'));
            self.bind(&name, Destination::Exchange(below), &pattern('0'));
        }
        self
    }

    /// The queues that the ladder leads to.
    pub fn delayed(&self) -> impl Iterator<Item = &str> {
        self.bindings.iter().filter(|binding| binding.source == DUE).filter_map(|binding| {
            match &binding.destination {
                Destination::Queue(name) => Some(name.as_str()),
                Destination::Exchange(_) => None,
            }
        })
    }
}

/// Whether what was last published to this exchange came down the ladder: the broker shows a rung for its exchange.
pub fn is_of_the_ladder(exchange: &str) -> bool {
    exchange.starts_with(LADDER)
}

/// The exchange at the foot of the ladder, and the key by which a queue is bound to it.
pub fn due_route(queue: &str) -> (&'static str, String) {
    (DUE, due_key(queue))
}

fn due_key(queue: &str) -> String {
    format!("#.{}", one_word(queue))
}

/// Whole seconds that a delay takes on the ladder: rounded up, cut to the longest.
pub fn delay_seconds(delay: Duration) -> u64 {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    seconds.min((1 << RUNGS) - 1)
}

/// The exchange and routing key that bring a message to the queue after the delay; `None` for no delay.
pub fn delay_route(queue: &str, delay: Duration) -> Option<(String, String)> {
    let seconds = delay_seconds(delay);
    // Entering at the highest rung that the delay uses saves the exchanges above it.
    let highest = seconds.checked_ilog2()?;
    let bits: String =
        (0..RUNGS).rev().map(|rung| if seconds >> rung & 1 == 1 { "1." } else { "0." }).collect();
    Some((rung_name(highest), format!("{bits}{}", one_word(queue))))
}

fn rung_name(rung: u32) -> String {
    format!("{LADDER}{rung}")
}

/// A queue's name as one word of a topic, so that `#.low` does not match what is meant for `sms.low`, nor `#.*` all.
pub(super) fn one_word(queue: &str) -> String {
    queue.replace('%', "%25").replace('.', "%2E").replace('*', "%2A").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::super::Binding;
    use super::*;

    /// Follows a message through the ladder as RabbitMQ's topic exchanges would.
    fn travel(queue: &str, delay: Duration) -> (u64, String) {
        let ladder = Topology::default().delay_ladder(QueueType::Quorum, ["low", "sms.low"]);
        let Some((mut at, key)) = delay_route(queue, delay) else { return (0, queue.into()) };
        let mut seconds = 0;
        loop {
            let hits: Vec<&Binding> =
                ladder.bindings.iter().filter(|b| b.source == at && matches(&b.key, &key)).collect();
            assert_eq!(hits.len(), 1, "{at} {key}");
            match &hits[0].destination {
                Destination::Exchange(next) => at.clone_from(next),
                Destination::Queue(name) => {
                    let Some(rung) = ladder.queues.iter().find(|queue| queue.name == *name) else {
                        return (seconds, name.clone());
                    };
                    seconds +=
                        u64::try_from(rung.arguments["x-message-ttl"].as_i64().unwrap()).unwrap() / 1000;
                    rung.arguments["x-dead-letter-exchange"].as_str().unwrap().clone_into(&mut at);
                }
            }
        }
    }

    fn matches(pattern: &str, key: &str) -> bool {
        let (pattern, key): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), key.split('.').collect());
        match (pattern.first(), pattern.last()) {
            (Some(&"#"), Some(last)) => key.last() == Some(last),
            _ => pattern.iter().zip(&key).all(|(p, k)| *p == "*" || *p == "#" || p == k),
        }
    }

    #[test]
    fn every_delay_takes_its_seconds_and_ends_in_its_own_queue() {
        for seconds in [1, 2, 3, 6, 12, 59, 60, 4095, 86_400, (1 << RUNGS) - 1] {
            assert_eq!(travel("sms.low", Duration::from_secs(seconds)), (seconds, "sms.low".into()));
        }
        assert_eq!(travel("low", Duration::from_millis(2500)), (3, "low".into()));
        assert_eq!(travel("low", Duration::from_secs(1 << 30)), ((1 << RUNGS) - 1, "low".into()));
        assert_eq!(delay_route("low", Duration::ZERO), None);
    }
}

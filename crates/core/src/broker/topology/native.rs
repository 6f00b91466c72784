//! Celery's own delay queues (celery-protocol, section 1.7). A Python producer publishes a task with an ETA into them when
//! its queue is a quorum queue on an exchange that is not direct. Celery's worker declares them; so does the worker that
//! takes its place. They belong to everybody on the virtual host, so that what is there is taken as it is.

use super::super::message::Value;
use super::{Bound, Destination, ExchangeKind, Queue, QueueSpec, QueueType, Topology, table};

/// Levels of the ladder, and digits in front of a delayed message's routing key.
const LEVELS: u32 = 28;
const DELIVERY: &str = "celery_delayed_delivery";

impl Topology {
    /// Celery's delay queues, and the way through them to each of these queues that is on an exchange that is not direct.
    /// Celery's producers go through them to all queues as soon as one of their `app` is a quorum queue.
    #[must_use]
    pub fn celery_delays<'a>(
        mut self,
        specs: impl IntoIterator<Item = &'a QueueSpec>,
        app: impl IntoIterator<Item = &'a QueueSpec>,
    ) -> Self {
        if app.into_iter().all(|spec| spec.kind != QueueType::Quorum) {
            return self;
        }
        for QueueSpec { name, bindings, .. } in specs {
            for bound in bindings.iter().filter(|bound| bound.kind != ExchangeKind::Direct) {
                self = self.delay_levels();
                self.delays_through(bound, name);
            }
        }
        self
    }

    /// Celery's delay queues, without the way from their foot to any queue.
    fn delay_levels(mut self) -> Self {
        if self.exchanges.iter().any(|exchange| exchange.name == DELIVERY) {
            return self;
        }
        self.add_exchange(DELIVERY, ExchangeKind::Topic, false);
        for level in 0..LEVELS {
            let name = level_name(level);
            let below = if level == 0 { DELIVERY.to_owned() } else { level_name(level - 1) };
            let pattern = |bit: char| format!("{}{bit}.#", "*.".repeat((LEVELS - 1 - level) as usize));
            let arguments = table([
                ("x-queue-type", "quorum".into()),
                ("x-dead-letter-strategy", "at-least-once".into()),
                ("x-overflow", "reject-publish".into()),
                ("x-message-ttl", Value::I64(1000 << level)),
                ("x-dead-letter-exchange", below.as_str().into()),
            ]);
            self.add_exchange(&name, ExchangeKind::Topic, false);
            self.queues.push(Queue { name: name.clone(), arguments, owned: false });
            self.bind(&name, Destination::Queue(name.clone()), &pattern('1'));
            self.bind(&name, Destination::Exchange(below), &pattern('0'));
        }
        self
    }

    /// The way from the foot of Celery's delay queues through an exchange to a queue.
    fn delays_through(&mut self, Bound { exchange, kind, key, .. }: &Bound, queue: &str) {
        let key = if key.starts_with('#') { key.clone() } else { format!("#.{key}") };
        self.bind(DELIVERY, Destination::Exchange(exchange.clone()), &key);
        // Other exchanges do not look at the key, in front of which the digits still stand.
        if *kind == ExchangeKind::Topic {
            self.bind(exchange, Destination::Queue(queue.into()), &key);
        }
    }
}

fn level_name(level: u32) -> String {
    format!("celery_delayed_{level}")
}

/// A routing key without the digits that a trip through Celery's delay queues leaves in front of it. A message that went
/// on with them would get longer at each trip (celery issue 10111).
pub fn plain_key(key: &str) -> &str {
    let digits = 2 * LEVELS as usize;
    match key.as_bytes().get(..digits) {
        Some(front) if front.chunks(2).all(|pair| matches!(pair, [b'0' | b'1', b'.'])) => &key[digits..],
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX_SECONDS: &str = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.1.0.";

    #[test]
    fn the_digits_of_a_delay_are_taken_off_a_routing_key_and_nothing_else_is() {
        assert_eq!(plain_key(&format!("{SIX_SECONDS}tq")), "tq");
        assert_eq!(plain_key(&format!("{SIX_SECONDS}0.1.tq")), "0.1.tq");
        for key in ["", "tq", "0.1.tq", &SIX_SECONDS[2..]] {
            assert_eq!(plain_key(key), key);
        }
    }

    #[test]
    fn a_delayed_message_meets_exactly_the_levels_of_its_bits_and_ends_in_its_queue() {
        let bound = Bound::new("tx", ExchangeKind::Topic, "tq");
        let spec = QueueSpec { bindings: vec![bound], ..QueueSpec::owned("tq") };
        let topology = Topology::default().queue(&spec);
        let key = format!("{SIX_SECONDS}tq");
        let (mut at, mut levels) = (level_name(LEVELS - 1), Vec::new());

        while at != DELIVERY {
            let hits: Vec<_> =
                topology.bindings.iter().filter(|b| b.source == at && on_level(&b.key, &key)).collect();
            assert_eq!(hits.len(), 1, "{at}");
            match &hits[0].destination {
                Destination::Exchange(next) => at.clone_from(next),
                Destination::Queue(level) => {
                    let queue = topology.queues.iter().find(|queue| queue.name == *level).unwrap();
                    levels.push(queue.arguments["x-message-ttl"].as_i64().unwrap() / 1000);
                    at = queue.arguments["x-dead-letter-exchange"].as_str().unwrap().to_owned();
                }
            }
        }

        assert_eq!(levels, [4, 2]);
        let way: Vec<_> = topology.bindings.iter().filter(|b| b.key == "#.tq").collect();
        assert_eq!(way[0].source, DELIVERY);
        assert_eq!(way[0].destination, Destination::Exchange("tx".into()));
        assert_eq!((way[1].source.as_str(), &way[1].destination), ("tx", &Destination::Queue("tq".into())));
    }

    #[test]
    fn a_quorum_queue_of_the_app_makes_celery_delay_what_goes_to_its_other_queues() {
        let on = |exchange: &str, kind| QueueSpec {
            bindings: vec![Bound::new(exchange, kind, "k")],
            ..QueueSpec::foreign(exchange)
        };
        let specs = [
            on("topic", ExchangeKind::Topic),
            on("fanout", ExchangeKind::Fanout),
            on("direct", ExchangeKind::Direct),
        ];
        let quorum = [QueueSpec { kind: QueueType::Quorum, ..QueueSpec::foreign("other") }];
        let ways = |topology: Topology| -> Vec<(String, Destination)> {
            let ways = topology.bindings.into_iter().filter(|binding| binding.key == "#.k");
            ways.map(|binding| (binding.source, binding.destination)).collect()
        };

        let classic = specs.iter().fold(Topology::default(), Topology::queue);
        let delayed = classic.clone().celery_delays(&specs, specs.iter().chain(&quorum));

        assert_eq!(ways(classic), []);
        let through = |exchange: &str| (DELIVERY.to_owned(), Destination::Exchange(exchange.into()));
        let to_queue = ("topic".to_owned(), Destination::Queue("topic".into()));
        assert_eq!(ways(delayed), [through("topic"), to_queue, through("fanout")]);
    }

    fn on_level(pattern: &str, key: &str) -> bool {
        pattern.split('.').zip(key.split('.')).all(|(p, k)| p == "*" || p == "#" || p == k)
    }
}

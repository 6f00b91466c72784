//! Prometheus metrics: the recorder, the text, and what each name means.
//!
//! Labels hold names of queues, tasks, routes and reasons. None holds a number, an address or an id.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The recorder of this process.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

/// Bounds of the histograms, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Metrics {
    /// Starts recording, for a process that shows the text on a route of its own. Call it once a process.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// The text for Prometheus, format 0.0.4.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Starts recording and shows the text on a port of its own, for a process without an HTTP server.
pub fn serve(listen: SocketAddr) -> Result<(), BuildError> {
    builder()?.with_http_listener(listen).install()?;
    describe();
    Ok(())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets(&BUCKETS)
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("postrider_http_requests_total", "Requests by route and status.");
    histogram!("postrider_http_request_seconds", "Time to answer, by route.");
    counter!("postrider_verifications_total", "Verifications asked for, by outcome.");
    counter!("postrider_checks_total", "Codes checked, by verdict.");
    counter!(
        "postrider_ip_unknown_total",
        "Sends that no address window counted, because no address was given."
    );
    counter!("postrider_published_total", "Messages that the broker confirmed.");
    counter!("postrider_publish_failed_total", "Messages that were not confirmed, by outcome.");
    counter!(
        "postrider_broker_connections_lost_total",
        "Broker connections that broke or could not be made."
    );
    counter!("postrider_acks_lost_total", "Acks whose connection was gone; the message is handed out again.");
    counter!("postrider_redis_errors_total", "Redis commands that failed.");
    gauge!("postrider_redis_eviction_unknown", "1 when Redis did not say whether it evicts keys.");
    counter!("postrider_tasks_total", "Tasks that ended a run, by task and outcome.");
    histogram!("postrider_task_seconds", "Time of a run, by task.");
    gauge!("postrider_tasks_running", "Tasks that run now.");
    counter!("postrider_sends_total", "Provider calls by provider and outcome.");
    counter!("postrider_dead_letters_total", "Messages moved to the dead-letter queue, by reason.");
    counter!(
        "postrider_dead_letters_dropped_total",
        "Oldest dead letters dropped because the queue was full."
    );
    counter!("postrider_events_dropped_total", "Task events that found no room on their way to the broker.");
    gauge!("postrider_dead_letters", "Messages in the dead-letter queue when last looked at.");
    counter!(
        "postrider_unclaimed_total",
        "Tasks of another program forwarded because nothing here runs them."
    );
}

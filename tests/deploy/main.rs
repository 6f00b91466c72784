//! How Postrider is deployed: the shipped units, the service manager's protocol, and replacing what runs.

mod activation;
mod certificates;
mod load;
mod migrate_check;
mod nginx;
mod notify;
mod rabbitmq_roles;
mod real_systemd;
mod redis_roles;
mod replaced;
mod rollout;
mod service;
mod shipped;
mod stand_in;
mod tls;
mod units;

use std::time::Duration;

/// Far above what an answer takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

//! What the tests of this workspace share, and no test of Postrider itself.
//!
//! The tests stand beside this folder, one `[[test]]` for each door they go through. Run them with `scripts/test`,
//! which starts the servers and builds the binaries that they are told about here.

pub mod amqp;
pub mod api;
pub mod broker;
pub mod browser;
pub mod celery;
pub mod dead;
pub mod gate;
pub mod ledger;
pub mod producer;
pub mod provider;
pub mod servers;
pub mod shop;
pub mod stores;
pub mod worker;

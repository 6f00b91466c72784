//! The SMS worker: its command line, its configuration, its commands, and the wiring of engine and handlers.

pub(crate) mod cli;
mod config;
mod dead_letters;
mod run;

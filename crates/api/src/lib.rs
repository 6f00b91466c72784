//! The producer: HTTP routes that throttle, issue and check verification codes, and enqueue the sending of them.
//!
//! Routes read a request and shape the answer, flows do the work on core's broker and stores. Nothing here can run a
//! task. The binary's wiring is [`app::run`]; a process that brings its own backends builds [`services::Services`] and
//! calls [`serve::serve`].

pub mod app;
pub mod auth;
pub mod cli;
mod client_ip;
pub mod config;
mod error;
mod flows;
mod key_generate;
pub mod listen;
mod pictures;
mod problem;
mod retcode;
mod routes;
pub mod serve;
pub mod services;
pub mod shop;

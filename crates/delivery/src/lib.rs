//! Under construction.

pub mod providers;

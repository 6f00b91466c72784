//! The page at `/` in a real browser: Chromium without a window, on the standalone and on the real stack.
//!
//! A test sees what a reader sees: it types, presses, and waits until the page shows what it is to show.

mod access;
mod checks;
mod files;
mod keyboard;
mod languages;
mod page;
mod screenshot;
mod shop;
mod whole_way;

use std::time::Duration;

/// Far above what an answer takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

/// A number as people type it.
const NUMBER: &str = "13800138000";

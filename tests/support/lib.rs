//! What the tests of this workspace share, and no test of Postrider itself.
//!
//! The tests stand beside this folder, one `[[test]]` for each door they go through. Run them with `scripts/test`,
//! which starts the servers and builds the binaries that they are told about here.

pub mod servers;

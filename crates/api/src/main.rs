//! The binary: everything is in the library, for the standalone to use too.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request is many small pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    postrider_api::cli::main()
}

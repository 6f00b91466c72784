//! The binary: everything is in the library, for the standalone to use too.

use std::process::ExitCode;

fn main() -> ExitCode {
    postrider_api::cli::main()
}

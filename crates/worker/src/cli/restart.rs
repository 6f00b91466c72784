//! Starting the same program anew in this process's place, with the command line it was started with.
//!
//! The process keeps its id, so that a service manager sees one process that was busy for a moment. Threads that could not be
//! stopped end here. The file is looked up again: a release that was installed meanwhile is what runs next.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::anyhow;

use super::answer::Failure;

/// Becomes the same program. Returns only if that fails.
pub(super) fn restart() -> Failure {
    let mut line = std::env::args_os();
    let Some(program) = line.next() else {
        return anyhow!("cannot start anew without a command line").into();
    };
    let error = Command::new(&program).args(again(line)).exec();
    anyhow!("cannot start {} anew: {error}", program.to_string_lossy()).into()
}

/// The arguments of the next start. A purge was meant for the first.
fn again(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let purges = |argument: &OsStr| argument == "--purge" || argument == "--discard";
    arguments.filter(|argument| !purges(argument)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_purges_nothing() {
        let line = ["worker", "--purge", "-c", "4", "--discard"].map(OsString::from);

        assert_eq!(again(line.into_iter()), ["worker", "-c", "4"]);
    }
}

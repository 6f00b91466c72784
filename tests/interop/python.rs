//! Python processes: scripts of this folder, lines of Python, and stock Celery workers.

use std::{path::Path, time::Duration};

use postrider_tests::{
    servers::{Proc, python},
    worker::{Output, Setup, ended},
};

/// Python takes seconds to import Celery on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A Python process that finds the modules of this folder, the setup's broker and its queue.
pub(crate) fn start(setup: &Setup, args: &[&str]) -> Proc {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let env = [
        ("PYTHONPATH", folder.to_string_lossy().into_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("SHOP_BROKER", setup.amqp_url.clone()),
        ("SHOP_QUEUE", setup.queue.clone()),
    ];
    Proc::run(&python(), args, env)
}

/// Runs Python to its end; it must end well.
pub(crate) async fn run(setup: &Setup, args: &[&str]) -> String {
    let Output { status, text } = ended(start(setup, args)).await;
    assert!(status.success(), "{text}");
    text
}

/// Runs a script of this folder with arguments.
pub(crate) async fn script(setup: &Setup, name: &str, args: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name);
    run(setup, &[&[&*path.to_string_lossy()], args].concat()).await
}

/// `celery -A shop worker -Q QUEUE`, once it is ready.
pub(crate) async fn celery_worker(setup: &Setup, queue: &str) -> Proc {
    let name = format!("{queue}@%h");
    let args = ["-m", "celery", "-A", "shop", "worker", "-P", "solo", "-c", "1", "-l", "info"];
    let mut worker = start(setup, &[&args[..], &["-Q", queue, "-n", &name]].concat());
    worker.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;
    worker
}

//! Celery's command line: its options with its letters, and its remote control without Python.

use std::fs;

use postrider_tests::{
    celery::send_sms,
    provider::Provider,
    servers::Proc,
    worker::{PATIENCE, Setup, ended},
};

use super::{SOON, fresh_id};

const NO_ENV: [(&str, &str); 0] = [];

/// A worker with these flags that consumes.
async fn started(setup: &Setup, flags: &[&str]) -> Proc {
    let mut worker = setup.spawn(flags, NO_ENV);
    let consumes = |line: &str| line.contains("consuming") && line.contains(&setup.queue);
    worker.wait_for_line(consumes, PATIENCE).await;
    worker
}

#[tokio::test]
async fn a_command_line_for_celerys_worker_starts_this_one_and_says_what_it_ignores() {
    let setup = Setup::new("celery-line");
    let line = "-A celery_tasks.main worker -l INFO -P prefork -c 3 -Ofair --max-tasks-per-child=100 -E --without-gossip \
                --without-mingle --heartbeat-interval 5 --prefetch-multiplier 2 --time-limit 60 --soft-time-limit 50";
    let line: Vec<&str> = line.split_whitespace().collect();

    let mut worker = started(&setup, &line).await;

    for said in [
        "-A celery_tasks.main: ignored",
        "-O fair: ignored",
        "--max-tasks-per-child 100: ignored",
        "one of threads",
    ] {
        worker.wait_for_line(|line| line.contains(said), SOON).await;
    }
    worker.wait_for_line(|line| line.contains("worker starts") && line.contains("concurrency=3"), SOON).await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn the_pool_says_how_many_tasks_run_at_once() {
    let setup = Setup::new("pool");
    let cores = std::thread::available_parallelism().unwrap().get();

    for (flags, concurrency) in
        [(&["-P", "gevent"][..], 1000), (&["-P", "threads"], 4 * cores), (&["-P", "solo", "-c", "9"], 1)]
    {
        let mut worker = setup.spawn(flags, NO_ENV);
        let says = format!("concurrency={concurrency} ");
        worker.wait_for_line(|line| line.contains("worker starts") && line.contains(&says), PATIENCE).await;
        worker.sigterm();
        assert!(ended(worker).await.status.success());
    }
    let refused = ended(setup.spawn(["-P", "custom"], NO_ENV)).await;
    assert_eq!(refused.status.code(), Some(78), "{}", refused.text);
    assert!(refused.text.contains("worker.pool"), "{}", refused.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn the_help_has_celerys_letters() {
    let help = Setup::new("help").command(&["--help"]).await.text;

    for flag in [
        "-A, --app",
        "-b, --broker",
        "--result-backend",
        "-n, --hostname",
        "-c, --concurrency",
        "-P, --pool",
        "-Q, --queues",
        "-X, --exclude-queues",
        "-l, --loglevel",
        "-f, --logfile",
        "-E, --task-events",
        "-O, --optimization",
        "--prefetch-multiplier",
        "--time-limit",
        "--soft-time-limit",
        "--autoscale",
        "--max-tasks-per-child",
        "--purge",
        "-S, --statedb",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--heartbeat-interval",
        "--pidfile",
    ] {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
    for command in ["worker", "config", "topology", "dead", "inspect", "control", "status"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}\n{help}");
    }
}

#[tokio::test]
async fn purge_throws_away_what_lies_in_the_queue_and_nothing_that_comes_later() {
    let provider = Provider::start().await;
    let setup = Setup::new("purge").provider(&provider);
    setup.command(&["topology", "apply"]).await;
    let amqp = setup.amqp().await;
    for _ in 0..5 {
        amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    }

    let mut worker = started(&setup, &["--purge"]).await;

    worker.wait_for_line(|line| line.contains("purged") && line.contains("count=5"), SOON).await;
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13900139000", "654321")).await;
    assert_eq!(provider.wait_for(1, SOON).await[0].to, "+8613900139000");
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_pidfile_holds_the_process_id_and_holds_back_a_second_worker() {
    let setup = Setup::new("pidfile");
    let (pattern, file) = (setup.path("%n.pid"), setup.path("w1.pid"));
    let flags = ["--pidfile", &*pattern.to_string_lossy(), "-f", &*setup.path("%n.log").to_string_lossy()]
        .map(str::to_owned);

    let mut worker = setup.spawn(&flags, NO_ENV);
    let log = setup.path("w1.log");
    let consuming = || fs::read_to_string(&log).is_ok_and(|text| text.contains("consuming"));
    assert!(postrider_tests::servers::eventually(PATIENCE, async || consuming()).await, "{}", worker.log());
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), worker.pid().to_string());
    let second = ended(setup.spawn(["--pidfile", &*pattern.to_string_lossy()], NO_ENV)).await;

    assert_eq!(second.status.code(), Some(1), "{}", second.text);
    assert!(second.text.contains(&format!("(pid: {})", worker.pid())), "{}", second.text);
    worker.sigterm();
    assert!(worker.wait(PATIENCE).await.success());
    assert!(!file.exists());
    setup.clean_up().await;
}

#[tokio::test]
async fn workers_are_asked_and_told_without_python() {
    let setup = Setup::new("asked");
    let node = format!("{}@asked", setup.queue);
    let worker = started(&setup, &["-n", &node]).await;
    let run = async |line: &str| {
        let words = line.split(' ').chain(["-d", &node]);
        ended(setup.spawn(words, NO_ENV)).await
    };

    let ping = run("inspect ping").await;
    assert!(ping.status.success(), "{}", ping.text);
    assert_eq!(ping.text, format!("->  {node}: OK\n        pong\n\n1 node online."));
    assert_eq!(run("status").await.text, format!("->  {node}: OK\n\n1 node online."));
    assert!(run("inspect registered").await.text.contains("* ccp_send_sms_code"));
    let queues = run("inspect active_queues --json").await.text;
    let queues: serde_json::Value = serde_json::from_str(&queues).unwrap();
    assert_eq!(queues[&node][0]["name"], setup.queue.as_str());
    assert!(run("control pool_grow 3").await.text.contains("pool will grow"));
    assert!(run("inspect stats").await.text.contains("\"max-concurrency\": 1003"));

    let nobody = ended(setup.spawn(["inspect", "ping", "-d", "nobody@asked", "-t", "0.2"], NO_ENV)).await;
    assert_eq!(nobody.status.code(), Some(69), "{}", nobody.text);
    let unknown = run("inspect everything").await;
    assert_eq!(unknown.status.code(), Some(64), "{}", unknown.text);
    assert!(unknown.text.contains("active_queues"), "{}", unknown.text);
    run("control shutdown").await;
    let output = ended(worker).await;
    assert!(output.status.success(), "{}", output.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn a_revoked_task_is_remembered_across_a_restart() {
    let provider = Provider::start().await;
    let setup = Setup::new("statedb").provider(&provider);
    let (node, id) = (format!("{}@statedb", setup.queue), fresh_id());
    let state = setup.path("%n.state").to_string_lossy().into_owned();
    let flags = ["-n", &node, "--statedb", &state];
    let mut worker = started(&setup, &flags).await;
    let revoked = ended(setup.spawn(["control", "revoke", &id, "-d", &node], NO_ENV)).await;
    assert!(revoked.text.contains("flagged as revoked"), "{}", revoked.text);
    worker.sigterm();
    assert!(ended(worker).await.status.success());

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    setup.amqp().await.publish(&setup.queue, &send_sms(&fresh_id(), "13900139000", "654321")).await;
    let worker = started(&setup, &flags).await;

    assert_eq!(provider.wait_for(1, SOON).await[0].to, "+8613900139000");
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

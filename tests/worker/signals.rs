//! What signals mean to the worker: warm, cold and soft stops, a new start in the same process, a list of what runs.

use postrider_tests::{
    celery::send_sms,
    provider::{Answer, Provider},
    servers::{Proc, eventually},
    worker::{Setup, ended},
};

use super::{SOON, fresh_id};

/// A worker whose one task hangs at a provider that says nothing until it is let go.
async fn busy(test: &str, settings: impl FnOnce(Setup) -> Setup) -> (Setup, Proc, Provider, String) {
    let provider = Provider::answering(|_| Answer::taken().held()).await;
    let setup = Setup::new(test).provider(&provider).text("providers.webhook.timeout", "1m");
    let setup = settings(setup).set("worker.concurrency", "1").set("worker.prefetch", "1");
    let worker = setup.start().await;
    let id = fresh_id();
    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;
    (setup, worker, provider, id)
}

#[tokio::test]
async fn quit_gives_the_running_task_back_at_once() {
    let (setup, mut worker, _provider, id) = busy("quit", |setup| setup).await;

    worker.signal("QUIT");
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    assert!(output.text.contains("stopping at once"), "{}", output.text);
    assert_eq!(setup.amqp().await.take(&setup.queue, SOON).await.text("id"), Some(id));
    setup.clean_up().await;
}

#[tokio::test]
async fn quit_with_a_soft_shutdown_timeout_lets_a_task_end_that_is_soon_done() {
    let soft =
        |setup: Setup| setup.text("worker.soft_shutdown_timeout", "30s").text("worker.drain_timeout", "40s");
    let (setup, mut worker, provider, _) = busy("soft", soft).await;

    worker.signal("QUIT");
    worker.wait_for_line(|line| line.contains("stopping softly"), SOON).await;
    worker.wait_for_line(|line| line.contains("worker drains"), SOON).await;
    assert!(worker.is_running());
    provider.release();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn the_soft_shutdown_timeout_ends_what_takes_longer() {
    let soft = |setup: Setup| setup.text("worker.soft_shutdown_timeout", "300ms");
    let (setup, mut worker, _provider, id) = busy("soft-late", soft).await;

    worker.signal("QUIT");
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    assert!(output.text.contains("the soft shutdown timeout is over"), "{}", output.text);
    assert_eq!(setup.amqp().await.take(&setup.queue, SOON).await.text("id"), Some(id));
    setup.clean_up().await;
}

#[tokio::test]
async fn term_can_be_made_to_mean_quit() {
    let provider = Provider::answering(|_| Answer::taken().held()).await;
    let setup = Setup::new("remap").provider(&provider).text("providers.webhook.timeout", "1m");
    let mut worker = setup.spawn::<&str>([], [("REMAP_SIGTERM", "SIGQUIT")]);
    worker.wait_for_line(|line| line.contains("consuming"), SOON).await;
    setup.amqp().await.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;

    worker.sigterm();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    setup.amqp().await.take(&setup.queue, SOON).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn int_is_warm_and_a_second_one_cold() {
    let (setup, mut worker, _provider, id) = busy("int", |setup| setup).await;

    worker.signal("INT");
    worker.wait_for_line(|line| line.contains("worker drains"), SOON).await;
    assert!(worker.is_running());
    worker.signal("INT");
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    assert_eq!(setup.amqp().await.take(&setup.queue, SOON).await.text("id"), Some(id));
    setup.clean_up().await;
}

#[tokio::test]
async fn hup_finishes_what_runs_and_starts_the_same_command_line_in_the_same_process() {
    let (setup, mut worker, provider, _) = busy("hup", |setup| setup).await;
    let pid = worker.pid();
    let before = worker.line_count();

    worker.signal("HUP");
    worker.wait_for_line_after(before, |line| line.contains("worker drains"), SOON).await;
    provider.release();
    worker.wait_for_line_after(before, |line| line.contains("worker has stopped"), SOON).await;
    let stopped = worker.line_count();
    worker
        .wait_for_line_after(stopped, |line| line.contains("consuming") && line.contains(&setup.queue), SOON)
        .await;

    assert_eq!(worker.pid(), pid);
    setup.amqp().await.publish(&setup.queue, &send_sms(&fresh_id(), "13800138001", "123456")).await;
    provider.wait_for(2, SOON).await;
    assert_eq!(provider.requests().len(), 2, "the first task was not done twice");
    setup.finish(worker).await;
}

#[tokio::test]
async fn term_during_a_reload_is_a_stop_for_good_and_no_cold_one() {
    let (setup, mut worker, provider, _) = busy("reload-term", |setup| setup).await;

    worker.signal("HUP");
    worker.wait_for_line(|line| line.contains("worker drains"), SOON).await;
    worker.signal("TERM");
    worker.wait_for_line(|line| line.contains("stopping: finishing what runs"), SOON).await;
    provider.release();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    assert_eq!(output.text.matches("worker starts").count(), 1, "{}", output.text);
    assert_eq!(provider.requests().len(), 1);
    setup.clean_up().await;
}

#[tokio::test]
async fn a_shutdown_by_remote_control_during_a_reload_is_one_for_good() {
    let name = format!("reloading-{}@test", fresh_id());
    let (setup, mut worker, provider, _) =
        busy("reload-shut", |setup| setup.text("worker.name", &name)).await;

    worker.signal("HUP");
    worker.wait_for_line(|line| line.contains("worker drains"), SOON).await;
    // Nobody answers it, as with Celery.
    ended(setup.spawn::<&str>(["control", "shutdown", "-d", &name], [])).await;
    worker.wait_for_line(|line| line.contains("asked to by remote control"), SOON).await;
    provider.release();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    assert_eq!(output.text.matches("worker starts").count(), 1, "{}", output.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn usr1_lists_what_runs_and_shows_no_argument() {
    let (setup, mut worker, provider, id) = busy("usr1", |setup| setup).await;

    worker.signal("USR1");
    let line = worker.wait_for_line(|line| line.contains("runs_for_ms") && line.contains(&id), SOON).await;

    assert!(line.contains("ccp_send_sms_code") && !line.contains("13800138000"), "{line}");
    provider.release();
    let amqp = setup.amqp().await;
    assert!(eventually(SOON, async || amqp.ready(&setup.queue).await == Some(0)).await);
    setup.finish(worker).await;
}

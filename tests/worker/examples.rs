//! The examples of the engine, run to their end. They check for themselves what came of it.

#[path = "../../crates/worker/examples/send_notice.rs"]
mod send_notice;
#[path = "../../crates/worker/examples/tasks.rs"]
mod tasks;

#[test]
fn a_task_of_ones_own_is_sent_and_retried() {
    send_notice::main().unwrap();
}

#[test]
fn tasks_that_add_compute_retry_fail_and_chain_do_what_they_say() {
    tasks::main().unwrap();
}

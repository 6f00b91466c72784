//! `celery control` changes our worker.

use crate::fleet::Fleet;

#[tokio::test]
async fn tasks_are_revoked_before_their_start_and_stopped_while_they_run() {
    let fleet = Fleet::start("control-revoke").await;

    let told = fleet
        .run(
            "from fleet import *\n\
             here()\n\
             running = slow.delay(60)\n\
             until(lambda: ours(app.control.inspect(timeout=0.5).active()))\n\
             waiting = add.apply_async((1, 2), countdown=4)\n\
             until(lambda: ours(app.control.inspect(timeout=0.5).scheduled()))\n\
             replies = app.control.revoke(waiting.id, reply=True)\n\
             assert replies == [{node: {'ok': f\"tasks {{'{waiting.id}'}} flagged as revoked\"}}], replies\n\
             assert waiting.state == 'REVOKED', waiting.state\n\
             replies = app.control.terminate(running.id, signal='SIGTERM', reply=True)\n\
             assert replies == [{node: {'ok': f'terminate: {running.id}'}}], replies\n\
             until(lambda: running.state == 'REVOKED')\n\
             assert ours(app.control.inspect().active()) == []\n\
             try:\n    running.get(timeout=1)\n\
             except Exception as error:\n    print('raised', type(error).__name__, error)\n\
             headers = {'stamped_headers': ['tenant'], 'stamps': {'tenant': 't1'}}\n\
             app.control.revoke_by_stamped_headers({'tenant': 't1'}, reply=True)\n\
             time.sleep(1)\n\
             stamped = add.apply_async((1, 2), headers={'tenant': 't1', **headers}, stamped_headers=['tenant'], tenant='t1')\n\
             until(lambda: stamped.state == 'REVOKED')\n\
             time.sleep(5)\n\
             assert waiting.state == 'REVOKED', waiting.state\n\
             assert add.delay(1, 2).get(timeout=10) == 3\n\
             print('revoked')",
        )
        .await;

    assert!(told.contains("raised TaskRevokedError terminated"), "{told}");
    assert!(told.contains("revoked"), "{told}");
    fleet.stop().await;
}

#[tokio::test]
async fn the_pool_the_limits_and_the_queues_are_changed_from_outside() {
    let fleet = Fleet::start("control-change").await;

    let told = fleet
        .run(
            "from fleet import *\n\
             here()\n\
             control, inspect = app.control, app.control.inspect()\n\
             def ok(replies): return replies[0][node]['ok']\n\
             def places(): return ours(inspect.stats())['pool']['max-concurrency']\n\
             assert ok(control.pool_grow(2, reply=True)) == 'pool will grow' and places() == 6\n\
             assert ok(control.pool_shrink(3, reply=True)) == 'pool will shrink' and places() == 3\n\
             assert 'Autoscale not enabled' in control.autoscale(5, 2, reply=True)[0][node]['error']\n\
             assert ok(control.rate_limit('add', '10/m', reply=True)) == 'new rate limit set successfully'\n\
             assert ours(inspect.registered())[0] == 'add [rate_limit=10/m]', inspect.registered()\n\
             assert ok(control.rate_limit('add', 0, reply=True)) == 'rate limit disabled successfully'\n\
             assert ok(control.time_limit('slow', soft=None, hard=1, reply=True)) == 'time limits set successfully'\n\
             try:\n    slow.delay(30).get(timeout=20)\n\
             except Exception as error:\n    print('raised', type(error).__name__, error)\n\
             more = app.conf.task_default_queue + '.more'\n\
             def names(): return [q['name'] for q in ours(inspect.active_queues())]\n\
             assert ok(control.add_consumer(more, reply=True)) == f'add consumer {more}'\n\
             until(lambda: more in names())\n\
             assert add.apply_async((2, 3), queue=more).get(timeout=20) == 5\n\
             assert ok(control.cancel_consumer(more, reply=True)) == f'no longer consuming from {more}'\n\
             until(lambda: more not in names())\n\
             left = add.apply_async((2, 3), queue=more)\n\
             time.sleep(1)\n\
             assert left.state == 'PENDING', left.state\n\
             control.add_consumer(more)\n\
             assert left.get(timeout=20) == 5\n\
             control.cancel_consumer(more)\n\
             until(lambda: more not in names())\n\
             print('changed')",
        )
        .await;

    assert!(told.contains("raised TimeLimitExceeded"), "{told}");
    assert!(told.contains("changed"), "{told}");
    let more = format!("{}.more", fleet.setup.queue);
    fleet.setup.amqp().await.delete([&more, &format!("{more}.unclaimed")]).await;
    fleet.stop().await;
}

#[tokio::test]
async fn shutdown_stops_the_worker_in_order() {
    let fleet = Fleet::start("control-shutdown").await;

    let told = fleet
        .run(
            "from fleet import *\n\
             here()\n\
             last = slow.delay(2)\n\
             until(lambda: ours(app.control.inspect(timeout=0.5).active()))\n\
             app.control.shutdown(destination=[node])\n\
             last.get(timeout=20)\n\
             until(lambda: not app.control.inspect(timeout=0.5).ping())\n\
             print('gone')",
        )
        .await;

    assert!(told.contains("gone"), "{told}");
    assert!(fleet.stopped().await, "the drain is finished");
}

#[tokio::test]
async fn what_is_revoked_survives_a_restart_with_a_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.state");
    let with_file = |options: &mut postrider_worker::Options| options.control.state_file = Some(path.clone());
    let first = Fleet::with("control-statedb", with_file).await;
    first.run("from fleet import *; here(); app.control.revoke('never', reply=True)").await;
    first.stop().await;

    let second = Fleet::with("control-statedb", with_file).await;

    let told = second.run("from fleet import *; here(); print(ours(app.control.inspect().revoked()))").await;
    assert!(told.contains("['never']"), "{told}");
    second.stop().await;
}

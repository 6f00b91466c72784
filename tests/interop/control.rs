//! `celery control` changes our worker.

use std::time::Duration;

use postrider_core::{
    celery::Serializer,
    clock::Clock,
    remote::{Remote, Told},
};
use postrider_tests::worker::ended;

use crate::{fleet::Fleet, python::PATIENCE};

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
            "from kombu import Queue\n\
             from fleet import *\n\
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
             def made(arguments): return control.add_consumer(more + '.made', options={'queue_arguments': arguments}, reply=True)\n\
             refused = made({'x-message-ttl': 1000})[0][node]['error']\n\
             assert 'declare the queue first' in refused, refused\n\
             quorum = {'x-queue-type': 'quorum'}\n\
             assert 'add consumer' in ok(made(quorum))\n\
             until(lambda: more + '.made' in names())\n\
             with app.connection() as connection:\n    Queue(more + '.made', queue_arguments=quorum)(connection.default_channel).queue_declare()\n\
             print('changed')",
        )
        .await;

    assert!(told.contains("raised TimeLimitExceeded"), "{told}");
    assert!(told.contains("changed"), "{told}");
    let more = format!("{}.more", fleet.setup.queue);
    let left =
        [&more, &format!("{more}.unclaimed"), &format!("{more}.made"), &format!("{more}.made.unclaimed")];
    fleet.setup.amqp().await.delete(left).await;
    fleet.stop().await;
}

#[tokio::test]
async fn a_shop_that_writes_msgpack_controls_our_worker_beside_its_own() {
    let fleet = Fleet::with("control-msgpack", |options| {
        options.control.serializer = Serializer::Msgpack;
    })
    .await;
    let lines = "\
from fleet import *
app.conf.task_serializer = 'msgpack'
app.conf.accept_content = ['msgpack']
app.conf.result_accept_content = ['json']
";
    let worker = format!(
        "{lines}app.worker_main(['worker', '-P', 'solo', '-n', 'theirs@h', '-l', 'info', '-Q', '{}'])",
        fleet.theirs()
    );
    let mut theirs = fleet.python(&["-c", &worker]);
    theirs.wait_for_line(|line| line.contains("mingle: sync with 1 nodes"), PATIENCE).await;
    theirs.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;
    let broker = crate::fleet::client(&fleet.setup).await;
    let remote = Remote::new(broker, fleet.namespace.clone(), Clock::System);

    let told = fleet
        .run(&format!(
            "{lines}\
             here()\n\
             running = slow.delay(600)\n\
             until(lambda: ours(app.control.inspect(timeout=0.5).active()))\n\
             replies = app.control.terminate(running.id, signal='TERM', reply=True, destination=[node])\n\
             assert replies == [{{node: {{'ok': f'terminate: {{running.id}}'}}}}], replies\n\
             until(lambda: running.state == 'REVOKED')\n\
             print('controlled')"
        ))
        .await;
    let patience = Duration::from_secs(2);
    let in_json = remote.registered(patience).await.unwrap();
    let in_msgpack = remote.with_serializer(Serializer::Msgpack).registered(patience).await.unwrap();

    assert!(told.contains("controlled"), "{told}");
    let nodes = |told: Told| {
        let mut nodes: Vec<String> = told.nodes.into_iter().map(|(node, _)| node).collect();
        nodes.sort_unstable();
        nodes
    };
    assert_eq!(nodes(in_json), [fleet.node.as_str()], "theirs accepts no JSON");
    assert_eq!(nodes(in_msgpack), [fleet.node.as_str(), "theirs@h"]);
    theirs.sigterm();
    ended(theirs).await;
    fleet.setup.amqp().await.delete([fleet.theirs()]).await;
    fleet.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_added_is_left_alone_while_a_worker_there_has_other_tasks() {
    let fleet = Fleet::with("control-shared", |options| {
        options.intake.neighbours_every = Duration::from_millis(200);
    })
    .await;
    let worker = format!(
        "from fleet import *\n\
         app.task(until, name='shop.mail')\n\
         app.worker_main(['worker', '-P', 'solo', '-n', 'theirs@h', '-l', 'info', '-Q', '{}'])",
        fleet.theirs()
    );
    let mut theirs = fleet.python(&["-c", &worker]);
    theirs.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;

    let told = fleet
        .run(
            "from fleet import *\n\
             here()\n\
             theirs = app.conf.task_default_queue + '.theirs'\n\
             def names(): return [q['name'] for q in ours(app.control.inspect().active_queues())]\n\
             def sum(): return add.apply_async((1, 2), queue=theirs).get(timeout=20)\n\
             app.control.add_consumer(theirs, destination=[node], reply=True)\n\
             assert all(sum() == 3 for _ in range(50))\n\
             assert theirs not in names()\n\
             assert ours(app.control.inspect().stats())['total'] == {}\n\
             app.control.shutdown(destination=['theirs@h'])\n\
             until(lambda: theirs in names())\n\
             assert sum() == 3\n\
             print('taken over')",
        )
        .await;

    assert!(told.contains("taken over"), "{told}");
    ended(theirs).await;
    fleet.setup.amqp().await.delete([fleet.theirs(), format!("{}.unclaimed", fleet.theirs())]).await;
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

//! Celery's own `State` follows what our worker says.

use crate::fleet::Fleet;

const FOLLOW: &str = "\
from fleet import *
import kombu
state = app.events.State()
kinds, heard = [], []
def hear(event):
    kinds.append(event['type'])
    heard.append(dict(event))
    # Celery's gossip keeps elections to itself; its State cannot read them.
    if not event['type'].startswith('worker-elect'):
        state.event(event)
connection = app.connection()
receiver = app.events.Receiver(connection, handlers={'*': hear})
def drain(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.drain_events(timeout=0.2)
        except OSError:
            pass
make = lambda queues, **options: kombu.Consumer(connection.default_channel, queues, **options)
consumers = receiver.get_consumers(make, connection.default_channel)
for consumer in consumers:
    consumer.consume()
def follow(found, patience=20):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found():
            return True
        drain(0.2)
    raise AssertionError((kinds, {id: task.state for id, task in state.tasks.items()}))
";

#[tokio::test]
async fn celerys_state_follows_every_task_and_the_worker() {
    let fleet = Fleet::with("events", |options| options.control.task_events = true).await;

    let lines = "\
follow(lambda: node in state.workers and state.workers[node].alive)
assert state.workers[node].freq == 2.0 and state.workers[node].sw_ident == 'postrider'
sent = {'add': add.delay(1, 2), 'boom': boom.delay('123456'), 'flaky': flaky.delay()}
# With a time that has passed already the broker may drop it before anybody sees it.
sent['expired'] = add.apply_async((1, 2), expires=3, countdown=4)
def states():
    return {name: state.tasks[result.id].state for name, result in sent.items() if result.id in state.tasks}
follow(lambda: states() == {'add': 'SUCCESS', 'boom': 'FAILURE', 'flaky': 'SUCCESS', 'expired': 'REVOKED'})
task = lambda name: state.tasks[sent[name].id]
assert task('add').args == '(1, 2)' and task('add').result == '3' and task('add').runtime < 5, task('add').info()
assert task('boom').exception == \"ValueError('bad code', '123456')\", task('boom').info()
assert task('add').worker.hostname == node
assert 'task-retried' in kinds
logged = login.delay('hunter2')
follow(lambda: logged.id in state.tasks and state.tasks[logged.id].state == 'SUCCESS')
assert state.tasks[logged.id].args == \"('***',)\", state.tasks[logged.id].info()
assert app.control.disable_events(reply=True)[0][node]['ok'] == 'task events already disabled'
before = len(kinds)
add.delay(1, 2).get(timeout=10)
follow(lambda: 'task-succeeded' in kinds[before:])
print('followed')
";
    let told = fleet.run(&format!("{FOLLOW}{lines}")).await;

    assert!(told.contains("followed"), "{told}");
    fleet.stop().await;
}

#[tokio::test]
async fn celerys_state_follows_what_is_stopped_refused_or_waits_and_an_election_is_acknowledged() {
    let fleet = Fleet::with("events-rest", |options| options.control.task_events = true).await;

    let lines = "\
follow(lambda: node in state.workers and state.workers[node].alive)
def task(result):
    return state.tasks.get(result.id)
def said(kind, id):
    return [event for event in heard if event['type'] == kind and event.get('uuid', event.get('id')) == id]
running = slow.delay(600)
follow(lambda: task(running) and task(running).state == 'STARTED')
app.control.terminate(running.id, signal='SIGTERM')
follow(lambda: task(running).state == 'REVOKED')
revoked = said('task-revoked', running.id)[0]
assert (revoked['terminated'], revoked['signum'], revoked['expired']) == (True, 15, False), revoked
refused = refuse.delay()
follow(lambda: said('task-rejected', refused.id))
# As of a task of Python's that is acknowledged late: it has failed, and its message was rejected.
assert task(refused).state == 'FAILURE' and len(said('task-failed', refused.id)) == 1
assert said('task-rejected', refused.id)[0]['requeue'] is False
waiting = add.apply_async((1, 2), countdown=5, shadow='add for tenant 1')
follow(lambda: task(waiting))
assert task(waiting).state == 'RECEIVED' and task(waiting).eta, task(waiting).info()
follow(lambda: task(waiting).state == 'SUCCESS')
assert task(waiting).name == 'add for tenant 1', task(waiting).info()
assert len(said('task-received', waiting.id)) == 1, heard
with app.connection() as other, app.events.Dispatcher(other, hostname='probe@h') as gossip:
    gossip.send('worker-elect', id='e1', topic='t', action='a', cver=1)
follow(lambda: said('worker-elect-ack', 'e1'))
assert said('worker-elect-ack', 'e1')[0]['hostname'] == node
print('followed')
";
    let told = fleet.run(&format!("{FOLLOW}{lines}")).await;

    assert!(told.contains("followed"), "{told}");
    fleet.stop().await;
}

#[tokio::test]
async fn events_are_off_until_they_are_asked_for_and_the_worker_says_when_it_goes() {
    let fleet = Fleet::start("events-off").await;

    let lines = "\
follow(lambda: node in state.workers and state.workers[node].alive)
add.delay(1, 2).get(timeout=10)
drain(1)
assert not [kind for kind in kinds if kind.startswith('task')], kinds
assert app.control.enable_events(reply=True)[0][node]['ok'] == 'task events enabled'
add.delay(1, 2).get(timeout=10)
follow(lambda: 'task-succeeded' in kinds)
assert app.control.disable_events(reply=True)[0][node]['ok'] == 'task events disabled'
beats = kinds.count('worker-heartbeat')
follow(lambda: kinds.count('worker-heartbeat') > beats)
app.control.broadcast('shutdown', destination=[node])
follow(lambda: 'worker-offline' in kinds)
assert not state.workers[node].alive
print('followed')
";
    let told = fleet.run(&format!("{FOLLOW}{lines}")).await;

    assert!(told.contains("followed"), "{told}");
    assert!(fleet.stopped().await);
}

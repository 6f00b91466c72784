"""Every command of Celery's command line, in this process, against a worker of ours and one of Python's."""

import json
import re

from celery.bin.celery import celery
from click.testing import CliRunner

from fleet import add, app, node, slow, until

THEIRS = 'theirs@h'
NODES = {node, THEIRS}
QUEUES = {node: app.conf.task_default_queue, THEIRS: app.conf.task_default_queue + '.theirs'}
# Named nodes are waited for until each has answered, and no longer.
ASKED = ['-d', ','.join(sorted(NODES)), '-t', '20']


def run(*words, code=0):
    result = CliRunner().invoke(celery, ['-A', 'fleet', '--no-color', *words])
    assert result.exit_code == code, (words, result.exit_code, result.output, result.exception)
    return result.output


def inspect(name, *words):
    """What both nodes tell, by node."""
    told = json.loads(run('inspect', name, *words, *ASKED, '--json'))
    assert set(told) == NODES, (name, told)
    return told


def control(name, *words):
    """What both nodes answer, by node."""
    told = json.loads(run('control', name, *words, *ASKED, '--json'))
    told = {name: answer for reply in told for name, answer in reply.items()}
    assert set(told) == NODES, (name, told)
    return told


def both_say(name, words, text):
    said = control(name, *words)
    assert all(answer == {'ok': text} for answer in said.values()), said


until(lambda: set(app.control.inspect().ping() or {}) == NODES, 60)
status = run('status', '-t', '5')
assert all(f'{name}: OK' in status for name in NODES) and '2 nodes online.' in status, status

for name, queue in QUEUES.items():
    called = run('call', 'add', '-a', '[1, 2]', '--queue', queue).strip()
    assert re.fullmatch('[0-9a-f-]{36}', called), called
    add.AsyncResult(called).get(timeout=30)
    assert run('result', called).strip() == '3', name

running = {name: slow.apply_async((600,), queue=queue).id for name, queue in QUEUES.items()}
later = {name: add.apply_async((1, 2), countdown=3600, queue=queue).id for name, queue in QUEUES.items()}
ids = lambda tasks: [task.get('request', task)['id'] for task in tasks]
until(lambda: all(ids(tasks) == [running[name]] for name, tasks in inspect('active').items()))
until(lambda: all(ids(tasks) == [later[name]] for name, tasks in inspect('scheduled').items()))
assert all(told == {'ok': 'pong'} for told in inspect('ping').values())
assert all(isinstance(told, list) for told in inspect('reserved').values())
assert all({'add', 'slow'} <= {task.split(' ')[0] for task in told} for told in inspect('registered').values())
assert {name: told[0]['name'] for name, told in inspect('active_queues').items()} == QUEUES
assert all(told['total'].get('slow') == 1 and told['pool'] for told in inspect('stats').values())
assert all('********' in told['broker_url'] for told in inspect('conf').values())
assert all('software -> celery:5.7.0' in told['ok'] for told in inspect('report').values())
assert all(told['clock'] > 0 for told in inspect('clock').values())
found = inspect('query_task', *running.values())
assert all(list(told) == [running[name]] and told[running[name]][0] == 'active' for name, told in found.items()), found
text = run('inspect', 'active', *ASKED)
assert all(f'->  {name}: OK' in text and running[name] in text for name in NODES), text

both_say('enable_events', [], 'task events enabled')
assert control('heartbeat') == {name: None for name in NODES}
both_say('rate_limit', ['add', '1000/s'], 'new rate limit set successfully')
both_say('time_limit', ['add', '10', '20'], 'time limits set successfully')


def places():
    """How many tasks may run at once. Python's pool of processes tells its limit as it was at the start."""
    pools = {name: told['pool'] for name, told in inspect('stats').items()}
    return {node: pools[node]['max-concurrency'], THEIRS: len(pools[THEIRS]['processes'])}


before = places()
both_say('pool_grow', ['2'], 'pool will grow')
until(lambda: places() == {name: count + 2 for name, count in before.items()})
both_say('pool_shrink', ['1'], 'pool will shrink')
until(lambda: places() == {name: count + 1 for name, count in before.items()})
assert all(told == {'error': "ValueError('Autoscale not enabled')"} for told in control('autoscale', '3', '1').values())
more = app.conf.task_default_queue + '.more'
served = lambda: {name: more in {queue['name'] for queue in told} for name, told in inspect('active_queues').items()}
both_say('add_consumer', [more], f'add consumer {more}')
until(lambda: all(served().values()))
both_say('cancel_consumer', [more], f'no longer consuming from {more}')
until(lambda: not any(served().values()))
for name, queue in QUEUES.items():
    add.apply_async((2, 3), queue=queue).get(timeout=30)
both_say('revoke', [later[node]], f"tasks {{'{later[node]}'}} flagged as revoked")
assert all(told == [later[node]] for told in inspect('revoked').values())
ended = control('terminate', 'TERM', *running.values())
assert {name: told['ok'] for name, told in ended.items()} == {name: f'terminate: {running[name]}' for name in NODES}, ended
until(lambda: all(slow.AsyncResult(id).state == 'REVOKED' for id in running.values()))
both_say('disable_events', [], 'task events disabled')

assert 'software -> celery:5.7.0' in run('report')
# Of the broker, not of the workers: it takes the management plugin, and a package that is not Celery's.
listed = CliRunner().invoke(celery, ['-A', 'fleet', 'list', 'bindings'])
assert isinstance(listed.exception, ModuleNotFoundError) and listed.exception.name == 'pyrabbit', listed
assert 'No messages purged from ' in run('purge', '-f')
# Nobody answers who goes.
run('control', 'shutdown', '-d', ','.join(NODES), code=69)
print('every command')

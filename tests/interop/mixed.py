"""One fleet of Python and Rust: the tasks of its Python workers, and what a caller sees of both.

MIXED_PYTHON and MIXED_RUST name the queues. The tasks have the names that the Rust worker of `suite` knows them by, so that
a workflow may send each step to either side; a result tells which worker it was. Runs on Celery 5.2 and later.
"""
import faulthandler
import json
import os
import sys

from celery import Celery, chain, chord, group, signature
from kombu import Exchange, Queue

PYTHON, RUST = os.environ['MIXED_PYTHON'], os.environ['MIXED_RUST']
# Seconds that one result may take, and that a caller takes before it shows where it hangs.
PATIENCE, HANGS = 20, 60

app = Celery('mixed', broker=os.environ['SHOP_BROKER'], backend=os.environ['SHOP_RESULTS'])
arguments = {'x-queue-type': 'quorum'} if 'SUITE_QUORUM' in os.environ else None
app.conf.update(
    task_queues=[
        Queue(name, Exchange(name, type='direct'), routing_key=name, queue_arguments=arguments)
        for name in (PYTHON, RUST)
    ],
    task_default_queue=PYTHON,
    task_default_exchange=PYTHON,
    task_default_routing_key=PYTHON,
    result_extended=True,
)


@app.task(name='t.integration.tasks.add')
def add(x, y):
    return x + y


@app.task(name='t.integration.tasks.tsum')
def tsum(nums):
    return sum(nums)


@app.task(name='t.integration.tasks.fail')
def fail(*args):
    raise ValueError('it fails', *args)


def call(task, queue, *args, **options):
    return signature(f't.integration.tasks.{task}', args=args, app=app, options=dict(options, queue=queue))


def end(result):
    """The value, or the exception's class and arguments."""
    try:
        return result.get(timeout=PATIENCE)
    except Exception as exc:
        return [type(exc).__name__, *exc.args]


def side(result):
    """Which side ran a task."""
    name = result.backend.get_task_meta(result.id)['worker']
    return 'rust' if name.startswith('rust@') else 'python'


def calls():
    """What a lone task does on the Rust side."""
    return {
        'value': end(call('add', RUST, 1, 2).delay()),
        'keywords': end(signature('t.integration.tasks.add', kwargs={'y': 'b', 'x': 'a'}, app=app, queue=RUST).delay()),
        'failure': end(call('fail', RUST, 1).delay()),
        'retried': end(call('retry_once', RUST).delay()),
        'delayed': end(call('add', RUST, 1, 2).apply_async(countdown=1)),
        # With a time that has passed already the broker may drop it before anybody sees it.
        'late': end(call('add', RUST, 1, 2).apply_async(expires=3, countdown=4))[0],
        'group': end(group(call('add', RUST, n, n) for n in range(5)).delay()),
    }


def workflows():
    """Chains and groups with members on both sides."""
    steps = chain(call('add', RUST, 1, 2), call('add', PYTHON, 3), call('add', RUST, 4), call('add', PYTHON, 5))
    result = steps.delay()
    told = {
        'chain': end(result),
        'group': end(group(call('add', queue, n, n) for n, queue in enumerate([RUST, PYTHON] * 3)).delay()),
        'failed step': end(chain(call('fail', RUST), call('add', PYTHON, 1)).delay().parent),
    }
    if not app.conf.result_backend.startswith('rpc'):
        told['sides'] = []
        while result is not None:
            told['sides'].insert(0, side(result))
            result = result.parent
    return told


def chords():
    """Chords with members on both sides and the body on either."""
    told = {}
    for name, queue in (('rust', RUST), ('python', PYTHON)):
        header = [call('add', to, n, n) for n, to in enumerate([RUST, PYTHON, RUST])]
        body = chord(header, call('tsum', queue)).delay()
        told[name] = [end(body), side(body)]
        failing = chord([*header, call('fail', queue)], call('tsum', RUST)).delay()
        # The caller sees the member's exception first; the body's own end comes after it.
        body_end = failing.get(timeout=PATIENCE, propagate=False, follow_parents=False)
        told[f'failed in {name}'] = [end(failing)[0], type(body_end).__name__]
    inner = chain(call('add', PYTHON, 1, 1), group(call('add', RUST, 1), call('add', PYTHON, 2)), call('tsum', RUST))
    told['in a chain'] = end(inner.delay())
    return told


if __name__ == '__main__':
    faulthandler.dump_traceback_later(HANGS, exit=True)
    print(json.dumps(globals()[sys.argv[1]]()))

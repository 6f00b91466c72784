"""A pytest plugin that puts our worker in the place of the one that Celery's integration tests start.

The suite's files stay as they are. Its session worker comes from `celery.contrib.testing.worker.start_worker`, which this
plugin replaces: our worker is started as a process, under the node name that the tests expect.

Some tests look into the worker's process, because Celery's runs in a thread of pytest. What can be shown from outside is:
`task_received` is sent for each message that our worker shows before it runs the task, `successful_requests` is filled
from its events, and clearing the revoked stamps restarts it, which has the same effect.

Environment: SUITE_WORKER (the program), SUITE_LOG_FILE (where its output goes), and what the program reads.
"""
import json
import os
import subprocess
import threading
from contextlib import contextmanager
from types import SimpleNamespace

from celery.contrib.testing import worker as testing_worker
from celery.result import _set_task_join_will_block, allow_join_result
from celery.signals import task_received
from celery.utils.nodenames import anon_nodename
from celery.worker import state
from redis import StrictRedis

PATIENCE = 30
TOLD = 'suite:told'

#: The worker that runs now.
running = None


class Process:
    """Our worker."""

    def __init__(self, app, concurrency):
        self.app = app
        self.environment = dict(
            os.environ,
            SUITE_NODE=anon_nodename(),
            SUITE_CONCURRENCY=str(concurrency),
            SUITE_TELLS=TOLD,
        )
        self.process = None

    def start(self):
        log = open(os.environ['SUITE_LOG_FILE'], 'ab')
        self.process = subprocess.Popen(
            [os.environ['SUITE_WORKER']], env=self.environment, stdout=log, stderr=log,
        )
        log.close()
        # Answers only when it takes part in remote control too: a test may ask for that first.
        for _ in range(PATIENCE):
            if self.app.control.inspect(timeout=1).ping():
                break
            assert self.process.poll() is None, 'our worker has ended; its log says why'
        from celery.contrib.testing.tasks import ping
        with allow_join_result():
            assert ping.delay().get(timeout=PATIENCE) == 'pong'

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        self.start()


class Stamps(dict):
    """The revoked stamps of a worker whose memory is out of reach: a fresh one has none."""

    def clear(self):
        super().clear()
        if running is not None:
            running.restart()


class Request(SimpleNamespace):
    """A message that our worker has received, as `celery.worker.request.Request` shows it."""

    @property
    def stamps(self):
        return {name: self.all_stamps[name] for name in self.stamped_headers}


def request_of(told):
    headers, body = told['headers'], told['body']
    request = Request(
        id=headers['id'],
        task_id=headers['id'],
        name=headers['task'],
        task_name=headers['task'],
        root_id=headers.get('root_id'),
        parent_id=headers.get('parent_id'),
        replaced_task_nesting=headers.get('replaced_task_nesting', 0),
        stamped_headers=headers.get('stamped_headers') or [],
        all_stamps=headers.get('stamps') or {},
        request_dict=headers,
        body=body,
        errbacks=body[2].get('errbacks'),
    )
    # The tests read the private attribute.
    setattr(request, '_Request__payload', body)
    return request


def hear(stop):
    """Sends `task_received` for what the worker shows, and lets it go on."""
    redis = StrictRedis(
        host=os.environ.get('REDIS_HOST', 'localhost'), port=os.environ.get('REDIS_PORT', 6379),
    )
    redis.delete(TOLD)
    while not stop.is_set():
        shown = redis.blpop(TOLD, 1)
        if shown is None:
            continue
        request = request_of(json.loads(shown[1]))
        try:
            task_received.send(sender=running, request=request)
        finally:
            key = f'{TOLD}:{request.id}'
            redis.rpush(key, 'go on')
            redis.expire(key, 10)


def follow(app, stop):
    """Fills in what the worker's events tell."""
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={
            'task-succeeded': lambda event: state.successful_requests.add(event['uuid']),
        })
        while not stop.is_set():
            try:
                receiver.capture(limit=None, timeout=1, wakeup=False)
            except OSError:
                pass


@contextmanager
def start_worker(app, concurrency=1, **_):
    """Stands in for `celery.contrib.testing.worker.start_worker`."""
    global running
    stop = threading.Event()
    threads = [
        threading.Thread(target=hear, args=(stop,), daemon=True),
        threading.Thread(target=follow, args=(app, stop), daemon=True),
    ]
    for thread in threads:
        thread.start()
    worker = Process(app, concurrency)
    worker.start()
    # As the original does: a worker that a test makes in this process has set it.
    _set_task_join_will_block(False)
    running = worker
    try:
        yield worker
    finally:
        running = None
        worker.stop()
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)


testing_worker.start_worker = start_worker
state.revoked_stamps = Stamps(state.revoked_stamps)

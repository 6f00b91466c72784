"""An app whose tasks a worker of Postrider runs, with the exchanges of one test for remote control and events."""

import os
import time

from celery import Celery
from celery.exceptions import Reject

app = Celery('fleet', broker=os.environ['FLEET_BROKER'], backend=os.environ['FLEET_RESULTS'])
app.conf.task_default_queue = os.environ['FLEET_QUEUE']
app.conf.control_exchange = os.environ['FLEET_CONTROL']
app.conf.event_exchange = os.environ['FLEET_EVENTS']
node = os.environ['FLEET_NODE']


@app.task(name='add')
def add(x, y):
    return x + y


@app.task(name='slow')
def slow(seconds):
    time.sleep(seconds)


@app.task(name='boom')
def boom(code):
    raise ValueError('bad code', code)


@app.task(name='flaky')
def flaky():
    return 1


@app.task(name='refuse', acks_late=True)
def refuse():
    raise Reject('no')


@app.task(name='login')
def login(password):
    pass


def until(found, patience=20):
    """The first true value of `found()` within that time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f'waited {patience} s for nothing')


def ours(replies):
    """What our node says."""
    return (replies or {}).get(node)


def here():
    """Waits until our node answers."""
    until(lambda: ours(app.control.inspect(timeout=0.5).ping()))

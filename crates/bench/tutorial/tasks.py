"""The tutorial's task, the task that does nothing, and the app that both are on."""

import os
import sys

import requests
from celery import Celery
from celery.signals import worker_ready, worker_shutdown
from celery.worker import state
from requests.adapters import HTTPAdapter

app = Celery('tutorial', broker=os.environ['BENCH_BROKER'])
app.conf.update(
    task_default_queue=os.environ['BENCH_QUEUE'],
    task_ignore_result=not os.environ.get('BENCH_RESULTS'),
    result_backend=os.environ.get('BENCH_RESULTS') or None,
    worker_prefetch_multiplier=int(os.environ.get('BENCH_PREFETCH_MULTIPLIER', '4')),
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)

session = requests.Session()
session.mount('http://', HTTPAdapter(pool_connections=1, pool_maxsize=1000))


@app.task(name='ccp_send_sms_code')
def ccp_send_sms_code(mobile, sms_code):
    body = {'to': mobile, 'code': sms_code, 'minutes': 5}
    answer = session.post(os.environ['BENCH_PROVIDER'], json=body, timeout=30)
    return 0 if answer.ok else -1


@app.task(name='bench.noop')
def noop():
    pass


def say(text):
    # Not print alone: Celery turns what a worker prints into log lines.
    print(text, file=sys.__stdout__, flush=True)


@worker_ready.connect
def tell_ready(**_):
    say('consuming')


@worker_shutdown.connect
def tell_count(**_):
    """How many tasks this worker took, by its own books."""
    say(f'executed {sum(state.total_count.values())}')

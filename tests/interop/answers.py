"""A shop that asks for results: on Redis or through the broker, as SHOP_RESULTS says."""

import json
import os

from celery import Celery

app = Celery('answers', broker=os.environ['SHOP_BROKER'], backend=os.environ['SHOP_RESULTS'])
app.conf.task_default_queue = os.environ['SHOP_QUEUE']
app.conf.task_track_started = True
app.conf.result_extended = True


class Refused(Exception):
    """An exception of the shop's own."""


@app.task(name='answers.add')
def add(x, y):
    return x + y


@app.task(name='answers.total')
def total(values):
    return sum(values)


@app.task(name='answers.fail')
def fail(reason):
    raise Refused(reason, 7)


def told(result):
    """What a caller sees of a result, as one line of JSON."""
    try:
        value = result.get(timeout=20)
    except Exception as exc:
        kind = type(exc)
        return json.dumps(['raised', f'{kind.__module__}.{kind.__name__}', list(exc.args), result.state])
    return json.dumps(['returned', value, result.state, [child.id for child in result.children or []]])

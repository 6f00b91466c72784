"""Settings of the whole app that reach a task which Postrider runs: the schedule, the events, what hangs on a task."""

import weakref

from .finding import NOTE, Finding


def check(shop):
    # Here, because only now it is known that there is a Celery.
    from celery import signals

    name = shop.options.task
    scheduled = [key for key, entry in (shop.conf.beat_schedule or {}).items() if entry.get('task') == name]
    if scheduled:
        yield Finding(NOTE, 'beat', 'celery beat calls it (%s). It goes on: beat only publishes.' % ', '.join(scheduled))
    if shop.conf.worker_send_task_events or shop.conf.task_send_sent_event:
        yield Finding(NOTE, 'events', 'Postrider\'s worker sends no events: Flower shows what it runs as sent, not as done.',
                      'look at its metrics (metrics.listen) instead')
    for signal, what in (('task_success', 'success'), ('task_failure', 'failure'), ('task_retry', 'retry')):
        receivers = _receivers(getattr(signals, signal))
        if receivers:
            yield Finding(NOTE, 'signals', 'Python code listens to a task\'s %s; it is not called for what Postrider runs.' % what)


def _receivers(signal):
    """Those of the shop: Celery connects some of its own."""
    found = []
    for _key, receiver in signal.receivers or ():
        function = receiver() if isinstance(receiver, weakref.ReferenceType) else receiver
        if function is not None and not str(getattr(function, '__module__', '')).startswith('celery.'):
            found.append(function)
    return found

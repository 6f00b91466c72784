"""The SMS task: its name, its arguments, what a message of it looks like, and how it is tried again."""

import inspect

from .finding import NOTE, OK, STOP, Finding

NAME = 'ccp_send_sms_code'
NUMBER = ('mobile', 'phone', 'tel', 'to')
CODE = ('sms_code', 'code')


def check(shop):
    task, name = shop.task, shop.options.task
    if task is None:
        alike = [known for known in sorted(shop.tasks) if known.rsplit('.', 1)[-1] == NAME]
        yield Finding(
            STOP, 'task', 'No task %s is registered.%s' % (name, ' There is %s.' % ', '.join(alike) if alike else ''),
            'Postrider\'s worker knows it by the name %s: @app.task(name=\'%s\')' % (NAME, NAME) if alike
            else 'give its name with --task; registered: %s' % (', '.join(sorted(shop.tasks)) or 'none'))
        return
    if name != NAME:
        yield Finding(STOP, 'task', 'The task is registered as %s. Postrider\'s worker knows it as %s.' % (name, NAME),
                      '@app.task(name=\'%s\'), in Django and in every Python worker at once' % NAME)
    else:
        yield Finding(OK, 'task', '%s is registered.' % name)
    for part in (_arguments, _message, _life, _retries, _limits):
        for finding in part(shop, task):
            yield finding


def _arguments(shop, task):
    parameters = [p for p in inspect.signature(task.run).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    names = [parameter.name for parameter in parameters]
    required = [p.name for p in parameters if p.default is p.empty]
    if len(names) < 2 or len(required) > 2:
        yield Finding(STOP, 'arguments', 'It takes (%s); Postrider\'s takes (mobile, sms_code).' % ', '.join(names),
                      'give it these two, or enqueue through postrider-api')
    elif names[0] != 'mobile' or names[1] not in CODE:
        swapped = names[0] in CODE or names[1] in NUMBER
        yield Finding(
            STOP if swapped else NOTE, 'arguments', 'It takes (%s); Postrider\'s takes (mobile, sms_code).' % ', '.join(names),
            'swap them' if swapped else 'call it with positional arguments, or rename the parameters')
    else:
        yield Finding(OK, 'arguments', 'It takes (%s), as Postrider\'s does.' % ', '.join(names))


def _message(shop, task):
    serializer = task.serializer or shop.conf.task_serializer
    if serializer != 'json':
        yield Finding(
            STOP, 'serializer', 'Its messages are %s. Postrider reads JSON; anything else is a dead letter.' % serializer,
            'task_serializer = \'json\' and accept_content = [\'json\', \'%s\'], and let what is queued run out' % serializer)
    else:
        yield Finding(OK, 'serializer', 'Its messages are JSON.')
    accepted = [str(one) for one in shop.conf.accept_content or ()]
    if not {'json', 'application/json'} & set(accepted):
        yield Finding(STOP, 'serializer', 'Celery\'s workers accept %s, and Postrider writes JSON.' % ', '.join(accepted),
                      'add \'json\' to accept_content')
    compression = getattr(task, 'compression', None) or shop.conf.task_compression
    if compression:
        yield Finding(STOP, 'compression', 'Its messages are compressed (%s), which Postrider does not read.' % compression,
                      'unset task_compression, and `compression` of the task')
    if shop.conf.task_protocol != 2:
        yield Finding(STOP, 'protocol', 'It writes message protocol %s; Postrider reads 2.' % shop.conf.task_protocol,
                      'task_protocol = 2')
    if shop.conf.task_always_eager:
        yield Finding(STOP, 'eager', 'task_always_eager: Django runs the task itself, and nothing reaches a queue.',
                      'task_always_eager = False')


def _life(shop, task):
    expires = getattr(task, 'expires', None)
    if expires:
        yield Finding(OK, 'expires', 'A call lives %s s; later it is not sent.' % expires)
    else:
        yield Finding(
            NOTE, 'expires', 'The task has no `expires`. A call without one is sent up to sms.window (5 minutes) after a worker '
            'first saw it, however long it had waited in the queue before.',
            '%s.apply_async((mobile, sms_code), expires=300), or expires=300 in @app.task' % task.name)


def _retries(shop, task):
    count = 'without end' if task.max_retries is None else '%s times' % task.max_retries
    backoff, automatic = getattr(task, 'retry_backoff', False), getattr(task, 'autoretry_for', ())
    if automatic:
        how = 'for %s, %s' % (', '.join(kind.__name__ for kind in automatic), count)
        how += ', waiting %s' % ('longer each time' if backoff else '%s s' % task.default_retry_delay)
    else:
        how = 'where it calls self.retry(), %s unless the call says otherwise, after %s s' % (count, task.default_retry_delay)
        if backoff:
            how += ' (retry_backoff=%s does nothing without autoretry_for)' % backoff
    yield Finding(NOTE, 'retries', 'Celery tries again %s. Postrider: what may pass, 3 times, after 3, 6 and 12 s.' % how)


def _limits(shop, task):
    rate = task.rate_limit or shop.conf.task_default_rate_limit
    if rate:
        yield Finding(NOTE, 'rate limit', '%s is not kept by Postrider\'s worker.' % rate,
                      'what the provider allows at once is the workers\' -c together; per number the api\'s limits hold')
    if not task.ignore_result and shop.conf.result_backend:
        yield Finding(
            NOTE, 'results', 'Postrider\'s worker writes no results: %s.delay(..).get() would wait for ever.' % task.name,
            'do not wait for the result (the tutorial does not), or @app.task(ignore_result=True)')
    if task.priority:
        yield Finding(NOTE, 'priority', 'Its priority %s is ignored in a quorum queue.' % task.priority)
    if not task.acks_late:
        yield Finding(OK, 'acks', 'Celery acks it before it runs, and a killed worker loses it. Postrider acks it after.')

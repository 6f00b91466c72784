"""Which tasks go to which queue, and whether the SMS task has one of its own."""

from .finding import NOTE, OK, STOP, Finding

# What postrider-worker declares for a queue Q of its own (core/src/broker/topology.rs); Q is put in for {}.
OURS = {
    'x-queue-type': 'quorum',
    'x-delivery-limit': 200,
    'x-dead-letter-exchange': '{}.returned',
    'x-dead-letter-routing-key': '{}.returned',
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
}

LISTED = '[[queues]] name = "%s", owned = %s'


def check(shop):
    routes, unroutable = {}, []
    for name, task in sorted(shop.tasks.items()):
        try:
            queue = shop.route(task)
        except Exception as error:
            unroutable.append((name, error))
            continue
        routes.setdefault(queue.name if queue is not None else None, []).append(name)
    for name, error in unroutable:
        yield Finding(STOP if name == shop.options.task else NOTE, 'route',
                      'Celery itself cannot route %s: %s: %s' % (name, type(error).__name__, error),
                      'correct task_routes or task_queues')
    for queue, names in sorted(routes.items(), key=str):
        yield Finding(OK, 'route', '%s: %s' % (queue or 'an exchange without a queue of Celery\'s', ', '.join(names)))
    if shop.task is None or shop.options.task in [name for name, _ in unroutable]:
        return
    queue = shop.route(shop.task)
    if queue is None:
        yield Finding(STOP, 'queue', 'The route of %s names an exchange, no queue.' % shop.options.task,
                      'route it to a queue: task_routes = {\'%s\': {\'queue\': \'sms\'}}' % shop.options.task)
        return
    others = [name for name in routes[queue.name] if name != shop.options.task]
    if others:
        yield Finding(
            STOP, 'queue',
            '%s shares the queue %s with %s. Every worker gets every task there: ours would run the SMS task and forward '
            'the others, unchanged, to %s.unclaimed, where nobody may wait for them.'
            % (shop.options.task, queue.name, ', '.join(others), queue.name),
            'stage 1: task_routes = {\'%s\': {\'queue\': \'sms\'}}, with a queue as crates/worker/README.md shows it'
            % shop.options.task)
    else:
        yield Finding(OK, 'queue', '%s has the queue %s to itself.' % (shop.options.task, queue.name))
    for finding in _declared(shop, queue):
        yield finding


def _declared(shop, queue):
    arguments = dict(queue.queue_arguments or {})
    if arguments.get('x-queue-type') == 'quorum' and shop.version < (5, 5):
        yield Finding(
            STOP, 'queue', 'Workers of Celery %s cannot listen to %s: RabbitMQ answers 540 to a quorum queue, and they '
            'listen to no other queue either.' % ('.'.join(map(str, shop.version)), queue.name),
            'Celery 5.5 or later; or the route alone, without task_queues, and ' + LISTED % (queue.name, 'false'))
        return
    wanted = {key: value.format(queue.name) if isinstance(value, str) else value for key, value in OURS.items()}
    if arguments == wanted:
        yield Finding(OK, 'queue', 'Celery declares %s exactly as postrider-worker does.' % queue.name,
                      LISTED % (queue.name, 'true'))
    elif not arguments:
        yield Finding(
            NOTE, 'queue', '%s is a plain classic queue, as Celery makes them. The worker takes it as it is.' % queue.name,
            LISTED % (queue.name, 'false') + '; a quorum queue survives more: crates/worker/README.md has its arguments')
    else:
        yield Finding(
            NOTE, 'queue', '%s has arguments of the shop\'s own (%s). With owned = true RabbitMQ would answer 406.'
            % (queue.name, ', '.join('%s=%s' % pair for pair in sorted(arguments.items()))),
            LISTED % (queue.name, 'false'))
    exchange, kind = queue.exchange.name or queue.name, queue.exchange.type
    if kind == 'fanout':
        yield Finding(STOP, 'exchange', 'The exchange %s is fanout: a retry would go to every queue on it.' % exchange,
                      'give the queue a direct exchange of its own name')
    elif exchange != queue.name or kind not in ('direct', None):
        yield Finding(
            NOTE, 'exchange', 'The queue %s hangs on the %s exchange %s. Postrider publishes retries and its own tasks to a '
            'direct exchange %s and binds it beside.' % (queue.name, kind, exchange, queue.name),
            'nothing, if no other exchange is named %s' % queue.name)
    if 'x-max-priority' in arguments or queue.max_priority:
        yield Finding(NOTE, 'priority', 'Priorities hold while the queue stays as it is; quorum queues have none.')

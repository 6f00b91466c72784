"""The broker: RabbitMQ or not, which vhost, and with --connect what is there."""

from .finding import NOTE, OK, STOP, Finding

AMQP = ('amqp', 'amqps', 'pyamqp', 'py-amqp', 'librabbitmq')


def check(shop):
    connection = shop.app.connection_for_write()
    transport = connection.transport_cls if isinstance(connection.transport_cls, str) else 'custom'
    shown = connection.as_uri(include_password=False)
    if transport not in AMQP:
        yield Finding(
            STOP, 'broker', 'Celery uses %s (%s). Postrider\'s tasks travel through RabbitMQ.' % (transport, shown),
            'install RabbitMQ, run deploy/rabbitmq/setup --vhost /, set broker_url = \'amqp://USER:PASSWORD@HOST:5672//\' '
            'and restart Celery\'s workers and Django; let the old broker\'s tasks run out first')
        return
    vhost = connection.virtual_host or '/'
    yield Finding(
        OK, 'broker', 'RabbitMQ, %s.' % shown,
        'api and worker need the same vhost: amqp.url = "amqp://USER:PASSWORD@%s:%s/%s"'
        % (connection.hostname or 'localhost', connection.port or 5672, vhost.replace('/', '%2f')))
    if connection.userid in ('guest', None):
        yield Finding(NOTE, 'broker', 'Celery logs in as guest, which deploy/rabbitmq/setup removes.',
                      'give the shop a user of its own, or run setup with --keep-guest until it has one')
    if connection.alt:
        yield Finding(NOTE, 'broker', 'Celery knows %d brokers; Postrider one.' % len(connection.alt),
                      'give the address of a load balancer, or a name that moves with the node')
    options = shop.conf.broker_transport_options or {}
    if not options.get('confirm_publish'):
        yield Finding(
            NOTE, 'broker', 'Django publishes without confirms: a task that RabbitMQ loses is lost without a word.',
            'broker_transport_options = {\'confirm_publish\': True}; Postrider\'s own api always waits for it')
    if shop.options.connect:
        for finding in _look(shop, connection):
            yield finding


def _look(shop, connection):
    """Passive declares only: they create nothing and take nothing."""
    try:
        connection.ensure_connection(max_retries=1, interval_start=0)
    except Exception as error:
        yield Finding(STOP, 'connect', 'The broker does not let Celery in: %s' % error,
                      'start it, or correct broker_url; without --connect it is not asked')
        return
    try:
        queue = shop.task and shop.route(shop.task)
        if queue:
            yield _queue(connection, queue.name)
    finally:
        connection.release()


def _queue(connection, name):
    channel = connection.channel()
    try:
        declared = channel.queue_declare(queue=name, passive=True)
    except connection.channel_errors as error:
        return Finding(NOTE, 'connect', 'The queue %s cannot be looked at: %s' % (name, error),
                       'whoever comes first makes it; `postrider-worker topology apply` can')
    return Finding(
        OK, 'connect', 'The queue %s is there: %s messages wait, %s consumers.'
        % (name, declared.message_count, declared.consumer_count))

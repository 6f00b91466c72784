"""The shop's Celery app, imported as `celery -A` does it, with what several checks ask of it."""

import contextlib
import os
import sys


class Unreadable(Exception):
    """The app cannot be read; the text says why and what to do."""


class Shop:
    """A Celery app, its SMS task and its routes."""

    def __init__(self, options):
        self.options = options
        sys.path.insert(0, os.getcwd())
        if options.django_settings:
            os.environ['DJANGO_SETTINGS_MODULE'] = options.django_settings
        # What the app prints on import must not stand between the findings.
        with contextlib.redirect_stdout(sys.stderr):
            self.celery = self._celery()
            self.app = self._import()
        self.tasks = {name: task for name, task in self.app.tasks.items() if not name.startswith('celery.')}
        self.task = self.tasks.get(options.task)

    def _celery(self):
        try:
            import celery
        except ImportError:
            raise Unreadable('%s has no Celery; name the Python of the shop with --python' % sys.executable)
        self.version = tuple(int(part) for part in celery.__version__.split('.')[:2])
        if self.version < (4,):
            raise Unreadable(
                'this is Celery %s, which writes message protocol 1; Postrider reads protocol 2: move the shop to '
                'Celery 4 or later first' % celery.__version__)
        return celery

    def _import(self):
        from celery.app.utils import find_app
        try:
            app = find_app(self.options.app)
            app.loader.import_default_modules()
            app.finalize()
        except Exception as error:
            raise Unreadable(
                'cannot import %s in %s: %s: %s (run it where `celery -A %s` works, or give --workdir)'
                % (self.options.app, os.getcwd(), type(error).__name__, error, self.options.app))
        if not hasattr(app, 'tasks'):
            raise Unreadable('%s holds no Celery app; name it as MODULE:APP' % self.options.app)
        return app

    @property
    def conf(self):
        return self.app.conf

    def route(self, task):
        """Where a plain call of the task goes: its queue as kombu knows it. Raises what the router raises."""
        options = dict(task._get_exec_options() or {})
        routed = self.app.amqp.router.route(options, task.name, (), {}, task)
        queue = routed.get('queue')
        if isinstance(queue, str):
            queue = self.app.amqp.queues[queue]
        if queue is None and not (routed.get('exchange') or routed.get('routing_key')):
            queue = self.app.amqp.queues[self.conf.task_default_queue]
        return queue

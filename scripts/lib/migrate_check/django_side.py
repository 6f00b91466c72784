"""What Django keeps beside Celery: the Redis database with the codes, and the constants of the SMS."""

import importlib
import os
import re
import sys

from .finding import NOTE, OK, STOP, Finding

CODE_LIFE = (30, 600)


def check(shop):
    for finding in _cache(shop):
        yield finding
    for finding in _constants(shop):
        yield finding


def _cache(shop):
    settings = os.environ.get('DJANGO_SETTINGS_MODULE')
    if not settings:
        yield Finding(NOTE, 'redis', 'No Django settings are known, so not in which Redis database the codes lie.',
                      'name them with --django-settings if Django reads sms_<mobile> there (stage 3)')
        return
    try:
        # The module alone: Django's own way to it would set up logging and more.
        caches = importlib.import_module(settings).CACHES
    except Exception as error:
        yield Finding(NOTE, 'redis', 'The settings %s cannot be read: %s: %s' % (settings, type(error).__name__, error),
                      'run it where `python manage.py check` works')
        return
    alias = shop.options.cache
    if alias not in caches:
        yield Finding(NOTE, 'redis', 'CACHES has no %s; it has %s.' % (alias, ', '.join(sorted(caches))),
                      'name the cache with the codes with --cache')
        return
    location = caches[alias].get('LOCATION')
    if isinstance(location, (list, tuple)) and len(location) == 1:
        location = location[0]
    if not isinstance(location, str) or not re.match(r'rediss?://', location):
        yield Finding(STOP, 'redis', 'The cache %s is not one Redis (%s).' % (alias, location),
                      'Postrider writes sms_<mobile> to one redis:// or rediss:// address (stage 3)')
        return
    database = (caches[alias].get('OPTIONS') or {}).get('DB')
    if database is None:
        found = re.search(r'/(\d+)/?(?:\?|$)', location)
        database = found.group(1) if found else '0'
    place = re.match(r'(rediss?://)(?:.*@)?([^/?]*)', location)
    options = caches[alias].get('OPTIONS') or {}
    secret = '@' in location or 'PASSWORD' in options
    yield Finding(
        OK, 'redis', 'The cache %s is database %s of %s.' % (alias, database, location),
        'stage 3: [shop] django_redis_url = "%s%s%s/%s"'
        % (place.group(1), 'USER:PASSWORD@' if secret else '', place.group(2), database))


def _constants(shop):
    template = _constant(shop, 'SEND_SMS_TEMPLATE_ID')
    if template is None:
        yield Finding(NOTE, 'template', 'No SEND_SMS_TEMPLATE_ID was found beside the task.',
                      'providers.yuntongxun.template_id must be the template that the shop sends; its default is "1"')
    else:
        yield _template(shop, str(template))
    life = _constant(shop, 'SMS_CODE_REDIS_EXPIRES')
    if isinstance(life, int):
        good = CODE_LIFE[0] <= life <= CODE_LIFE[1]
        yield Finding(
            OK if good else STOP, 'life', 'A code lives %s s; the SMS says %s minutes.' % (life, life // 60),
            'stage 3: [codes] ttl = "%ss"; until then expires=%s in the call' % (life, life) if good
            else 'Postrider\'s codes live %s to %s s' % CODE_LIFE)


def _template(shop, template):
    file = shop.options.worker_config
    if not file:
        return Finding(OK, 'template', 'The shop sends template %s with (code, minutes).' % template,
                       '[providers.yuntongxun] template_id = "%s"' % template)
    with open(file, encoding='utf-8') as opened:
        found = re.search(r'^\s*(?:providers\.yuntongxun\.)?template_id\s*=\s*"?([\w-]+)', opened.read(), re.MULTILINE)
    ours = found.group(1) if found else '1'
    if ours == template:
        return Finding(OK, 'template', 'Shop and worker send template %s with (code, minutes).' % template)
    return Finding(STOP, 'template', 'The shop sends template %s, the worker of %s template %s.' % (template, file, ours),
                   '[providers.yuntongxun] template_id = "%s"' % template)


def _constant(shop, name):
    """The value in the task's own module, in `constants` beside it, or in any module of the shop."""
    if shop.task is None:
        return None
    home = shop.task.run.__module__
    package = home.rpartition('.')[0]
    for module in (home, package + '.constants' if package else 'constants'):
        if module in sys.modules and hasattr(sys.modules[module], name):
            return getattr(sys.modules[module], name)
    top = home.split('.')[0]
    for module, loaded in sorted(sys.modules.items()):
        if module.split('.')[0] == top and hasattr(loaded, name):
            return getattr(loaded, name)
    return None

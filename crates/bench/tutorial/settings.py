"""Django with nothing but the view."""

import os

SECRET_KEY = 'only for the benchmark'
DEBUG = False
ALLOWED_HOSTS = ['*']
ROOT_URLCONF = 'views'
MIDDLEWARE = []
INSTALLED_APPS = []
USE_TZ = True
LOGGING_CONFIG = None
CACHES = {
    'verify_code': {
        'BACKEND': 'django_redis.cache.RedisCache',
        'LOCATION': os.environ['BENCH_REDIS'],
        'OPTIONS': {'CLIENT_CLASS': 'django_redis.client.DefaultClient'},
    },
}

"""What gunicorn serves."""

import os

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')

from django.core.wsgi import get_wsgi_application  # noqa: E402  the settings must be named first

application = get_wsgi_application()

//! Stock Python Celery on the other side.

"""Reads a Celery app and says what would happen if Postrider took its SMS task over.

A package, so that no module of a shop, which may have a `broker` or a `shop` of its own, is mistaken for one of ours.
"""

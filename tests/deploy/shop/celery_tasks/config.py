"""The broker, as the tutorial writes it."""

import os

broker_url = os.environ.get('SHOP_BROKER', 'amqp://meihao:s3cr@t@127.0.0.1:5672')

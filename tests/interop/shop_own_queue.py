"""A queue of its own for the SMS task, declared exactly as postrider-worker declares it.

With any other argument RabbitMQ answers 406 to whoever comes second. `postrider-worker topology print` shows them.
"""

import os

from celery import Celery
from kombu import Exchange, Queue

app = Celery('shop', broker=os.environ.get('SHOP_BROKER', 'amqp://guest:guest@127.0.0.1:5672/%2f'))
sms = os.environ.get('SHOP_QUEUE', 'sms')

app.conf.task_routes = {'ccp_send_sms_code': {'queue': sms}}
app.conf.task_queues = [
    Queue('celery'),
    Queue(sms, Exchange(sms, type='direct'), routing_key=sms, queue_arguments={
        'x-queue-type': 'quorum',
        'x-delivery-limit': 200,
        'x-dead-letter-exchange': f'{sms}.returned',
        'x-dead-letter-routing-key': f'{sms}.returned',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
    }),
]


@app.task(name='ccp_send_sms_code')
def ccp_send_sms_code(mobile, sms_code):
    """Executed by postrider-worker; here it is only called."""


if __name__ == '__main__':
    # The end of the code's life: a code that has run out is not sent.
    print(ccp_send_sms_code.apply_async(('13800138000', '123456'), expires=300).id)

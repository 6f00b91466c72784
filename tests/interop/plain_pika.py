"""Without Celery: a task published by hand, and one read by hand.

    python plain_pika.py send amqp://guest:guest@127.0.0.1:5672/%2f sms
    python plain_pika.py read amqp://guest:guest@127.0.0.1:5672/%2f sms
"""

import json
import sys
import uuid

import pika


def send(channel, queue, mobile, sms_code):
    """Calls ccp_send_sms_code(mobile, sms_code). The queue's exchange has its name."""
    task = str(uuid.uuid4())
    channel.confirm_delivery()
    channel.basic_publish(
        exchange=queue,
        routing_key=queue,
        mandatory=True,
        body=json.dumps([[mobile, sms_code], {}, {}]),
        properties=pika.BasicProperties(
            content_type='application/json',
            content_encoding='utf-8',
            delivery_mode=2,
            correlation_id=task,
            headers={'lang': 'py', 'task': 'ccp_send_sms_code', 'id': task},
        ),
    )
    return task


def read(channel, queue):
    """Takes one call of ccp_send_sms_code from a queue that is written with `payload = "clear"`."""
    method, properties, body = channel.basic_get(queue)
    assert properties.headers['task'] == 'ccp_send_sms_code'
    (mobile, sms_code), kwargs, embed = json.loads(body)
    channel.basic_ack(method.delivery_tag)
    return properties.headers['id'], mobile, sms_code, properties.headers['expires']


if __name__ == '__main__':
    verb, url, queue = sys.argv[1:]
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    if verb == 'send':
        print(send(channel, queue, '13800138000', '123456'))
    else:
        print(*read(channel, queue))

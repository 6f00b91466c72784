"""A shop on stock Celery: the tutorial's task, and a queue as Celery makes it when nobody says otherwise."""

import os

from celery import Celery

app = Celery('shop', broker=os.environ['SHOP_BROKER'])
# In a shop it is 'celery'. Each test has its own.
app.conf.task_default_queue = os.environ['SHOP_QUEUE']


@app.task(bind=True, name='ccp_send_sms_code')
def ccp_send_sms_code(self, mobile, sms_code):
    print(f'SMS {self.request.id} {mobile} {sms_code} retries {self.request.retries}', flush=True)
    return 0


@app.task(bind=True, name='shop.count_stock')
def count_stock(self, shelf, *, unit=None):
    print(f"STOCK {self.request.id} {shelf} {unit} {self.request.get('tenant')}", flush=True)

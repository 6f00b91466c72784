"""The tutorial's task. What calls the provider is printed instead."""

from celery_tasks.main import celery_app
from celery_tasks.sms import constants


@celery_app.task(bind=True, name='ccp_send_sms_code', retry_backoff=3)
def ccp_send_sms_code(self, mobile, sms_code):
    try:
        print('SMS', mobile, sms_code, constants.SMS_CODE_REDIS_EXPIRES // 60, constants.SEND_SMS_TEMPLATE_ID, flush=True)
    except Exception as error:
        raise self.retry(exc=error, max_retries=3)
    return 0

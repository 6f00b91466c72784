"""The tutorial's view: throttle by a flag, keep the code, enqueue the SMS."""

import random

from django.http import JsonResponse
from django.urls import path
from django_redis import get_redis_connection

from tasks import ccp_send_sms_code

SMS_CODE_EXPIRES = 300
SEND_FLAG_EXPIRES = 60


def sms_codes(request, mobile):
    redis = get_redis_connection('verify_code')
    if redis.get(f'send_flag_{mobile}'):
        return JsonResponse({'code': '4002', 'errmsg': '发送短信过于频繁'})
    sms_code = f'{random.randint(0, 999999):06d}'
    pipeline = redis.pipeline()
    pipeline.setex(f'sms_{mobile}', SMS_CODE_EXPIRES, sms_code)
    pipeline.setex(f'send_flag_{mobile}', SEND_FLAG_EXPIRES, 1)
    pipeline.execute()
    ccp_send_sms_code.delay(mobile, sms_code)
    return JsonResponse({'code': '0', 'errmsg': '发送短信成功'})


urlpatterns = [path('sms_codes/<str:mobile>/', sms_codes)]

"""The tutorial's numbers."""

SMS_CODE_REDIS_EXPIRES = 300
SEND_SMS_TEMPLATE_ID = 1

"""The command line of scripts/migrate-check, whose usage stands there.

1. `shop` imports the app. 2. Each of the modules in CHECKS yields findings about it. 3. They are printed.

Python 3.6 and the standard library only, beside the shop's own packages: such shops are old.
"""

import argparse
import json
import sys

from . import app_settings, broker, django_side, queues, sms_task
from .finding import STOP, masked
from .shop import Shop, Unreadable

CHECKS = (broker.check, sms_task.check, queues.check, app_settings.check, django_side.check)


def main():
    options = arguments()
    try:
        shop = Shop(options)
        findings = [finding for check in CHECKS for finding in check(shop)]
    except Unreadable as error:
        if options.json:
            print(json.dumps({'error': masked(str(error)), 'findings': []}))
        print('migrate-check: ' + masked(str(error)), file=sys.stderr)
        return 2
    stops = sum(finding.level == STOP for finding in findings)
    if options.json:
        print(json.dumps({
            'app': options.app,
            'task': options.task,
            'stops': stops,
            'findings': [finding.as_dict() for finding in findings],
        }, indent=1))
    else:
        for finding in findings:
            print(finding.as_text())
        print()
        print('Nothing stops the move.' if not stops else 'To be done first: %d.' % stops)
    return 1 if stops else 0


def arguments():
    parser = argparse.ArgumentParser(prog='migrate-check', usage='scripts/migrate-check --help says it all')
    parser.add_argument('-A', '--app', required=True)
    parser.add_argument('--task', default='ccp_send_sms_code')
    parser.add_argument('--django-settings')
    parser.add_argument('--cache', default='verify_codes')
    parser.add_argument('--worker-config')
    parser.add_argument('--connect', action='store_true')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()

"""A pytest plugin that knows which tests of the suite differ by nature, and prints how each file went.

The list is the file that SUITE_KNOWN names: `test_file.py::test_name  # reason`, where the name is as pytest shows it and
may end with `*`. With SUITE_BACKEND set, lines that begin with `rpc:` count too. A listed test is run, and expected to
fail; one that passes fails the run, so that the list stays true. A line that begins with `maybe:` is for a test that may
pass, on a faster machine for one.
"""
import os
from collections import Counter, defaultdict
from fnmatch import fnmatchcase

import pytest


def read():
    backend = os.environ.get('SUITE_BACKEND', '')
    for line in open(os.environ['SUITE_KNOWN'], encoding='utf-8'):
        name, _, reason = line.strip().partition('  # ')
        if name.startswith('rpc: '):
            name = name[len('rpc: '):] if backend == 'rpc' else ''
        strict = not name.startswith('maybe: ')
        name = name.removeprefix('maybe: ')
        if name and not name.startswith('#'):
            # Brackets are part of a test's name here, not a pattern.
            yield name.replace('[', '[[]'), reason, strict


def pytest_collection_modifyitems(items):
    known = list(read())
    for item in items:
        name = item.nodeid.removeprefix('t/integration/')
        for pattern, reason, strict in known:
            if fnmatchcase(name, pattern):
                # A test may fail on its way: its own reruns would only take time.
                item.own_markers = [mark for mark in item.own_markers if mark.name != 'flaky']
                item.add_marker(pytest.mark.xfail(reason=reason, strict=strict))


def pytest_terminal_summary(terminalreporter):
    outcomes = defaultdict(Counter)
    words = {'passed': 'passed', 'failed': 'failed', 'error': 'failed', 'skipped': 'skipped', 'xfailed': 'known',
             'xpassed': 'passed'}
    reasons = defaultdict(list)
    for category, word in words.items():
        for report in terminalreporter.stats.get(category, ()):
            file = report.nodeid.split('::')[0].removeprefix('t/integration/')
            outcomes[file][word] += 1
            if word == 'known':
                reasons[report.wasxfail].append(report.nodeid.split('::', 1)[1])
            elif word == 'skipped':
                reasons['skipped: ' + str(report.longrepr[2]).removeprefix('Skipped: ')].append(
                    report.nodeid.split('::', 1)[1])
    terminalreporter.section("Celery's integration tests")
    for file, counts in outcomes.items():
        line = ', '.join(f'{counts[word]} {word}' for word in ('passed', 'failed', 'known', 'skipped'))
        terminalreporter.write_line(f'{file}: {line}')
    for report in terminalreporter.stats.get('rerun', ()):
        terminalreporter.write_line(f'run once more: {report.nodeid}')
    for reason, names in sorted(reasons.items()):
        terminalreporter.write_line(f'{reason}:')
        for name in names:
            terminalreporter.write_line(f'    {name}')

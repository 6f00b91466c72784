"""`noop.delay()` for some seconds in one process: enqueue.py WARM_UP SECONDS."""

import sys
from time import monotonic

from tasks import noop

warm_up, seconds = map(float, sys.argv[1:])
begin = monotonic() + warm_up
end = begin + seconds
done = 0
while (now := monotonic()) < end:
    noop.delay()
    done += now >= begin
print('rate', done / seconds)

"""What scripts/migrate-check runs with the shop's Python: `python scripts/lib/migrate_check ..`."""

import os
import sys

# Python has put this folder in front; the package is found from the one above, and then neither is in the shop's way.
here = sys.path.pop(0)
sys.path.insert(0, os.path.dirname(here))
from migrate_check.cli import main  # noqa: E402
sys.path.pop(0)

sys.exit(main())

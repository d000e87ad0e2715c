"""`python -m flowdis` is the command `flowdis`."""

import sys

from flowdis.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())

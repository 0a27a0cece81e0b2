"""python -m seqmatte."""

import sys

from seqmatte.cli import main

if __name__ == "__main__":
    sys.exit(main())

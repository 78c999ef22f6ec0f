"""``python -m hierseg_learn``: the command ``hierseg-learn``."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())

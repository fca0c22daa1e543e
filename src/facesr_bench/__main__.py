"""``python -m facesr_bench``: the Hydra run, and the door to the other commands."""

import sys

from facesr_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())

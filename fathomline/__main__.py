"""`python -m fathomline`, which is `fathomline`."""

import sys

from fathomline.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m tlscore`: the same program as `tlscore`."""

import sys

from tlscore.cli import main

if __name__ == "__main__":
    sys.exit(main())

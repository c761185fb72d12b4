"""`sys.exit` in the middle of a run."""

import sys


def run(input):
    print("leaving")
    sys.exit(3)

"""An event line whose JSON is broken."""

import sys


def run(input):
    sys.stdout.write("__CHARM_EVENT__{broken\n")
    return "done"

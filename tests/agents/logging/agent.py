"""What goes to stderr or to `logging` is no event."""

import logging
import sys

logging.basicConfig(level=logging.INFO)


def run(input):
    logging.getLogger("agent").warning("careful")
    sys.stderr.write("raw words\n")
    return "logged"

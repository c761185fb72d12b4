"""A line with the prefix whose object has no `type`."""

import sys


def run(input):
    sys.stdout.write('__CHARM_EVENT__{"content": "no type"}\n')
    return "done"

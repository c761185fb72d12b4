"""Tokens as event lines; does a `final` follow?"""


import sys


def run(input):
    sys.stdout.write('__CHARM_EVENT__{"type": "delta", "content": "tok"}\n')
    return "tok"

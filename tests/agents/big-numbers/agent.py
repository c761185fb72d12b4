"""Whole numbers beyond 64 bits, in more places than the quick way of writing JSON takes."""


def run(input):
    return [{"n": 2**70, "m": -(10**30)}] * 120

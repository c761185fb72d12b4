"""A tuple, which JSON writes as an array."""


def run(input):
    return 1, input

"""A result that is neither text nor an object."""


def run(input):
    return 42

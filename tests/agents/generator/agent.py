"""A generator function: each piece is a token."""


def run(input):
    yield "one "
    yield "two "
    yield input

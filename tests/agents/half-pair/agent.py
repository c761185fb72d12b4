"""Text that has no UTF-8."""


def run(input):
    return "half: \ud83d"

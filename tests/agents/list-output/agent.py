"""A list is a result in JSON."""


def run(input):
    return [1, "two", {"three": 3}]

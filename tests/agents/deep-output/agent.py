"""Lists in lists, deeper than the reader of events goes."""


def run(input):
    nested = input
    for _ in range(150):
        nested = [nested]
    return nested

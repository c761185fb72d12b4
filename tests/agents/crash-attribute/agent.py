"""The entry point names something that isn't here."""


def other(input):
    return input

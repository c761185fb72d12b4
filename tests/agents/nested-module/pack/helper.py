"""The neighbour."""


def shout(text):
    return text.upper()

"""The entry point is in a package of the project, which imports its neighbour."""

from pack import helper


def run(input):
    return helper.shout(input)

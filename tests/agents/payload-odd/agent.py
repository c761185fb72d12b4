"""Inputs that are no strict JSON, or more than others can read."""


def run(inputs):
    return ascii(inputs)

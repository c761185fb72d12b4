"""A function with an argument given beforehand."""

import functools


def greet(word, input):
    return word + input


agent = functools.partial(greet, "oh ")

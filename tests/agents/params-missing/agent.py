"""A parameter without default that the inputs don't have."""


def run(city):
    return city

"""A function without parameters ignores the inputs."""


def run():
    return "no parameters"

"""A function that returns nothing."""


def run(input):
    print("done, but nothing to say")

"""The last print has no newline and nothing flushes it."""


def run(input):
    print("a whole line")
    print("the last words", end="")
    return "printed"

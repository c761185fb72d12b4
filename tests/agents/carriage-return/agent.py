"""Carriage returns: before the end of a line, in it, and alone."""


def run(input):
    print("dos\r")
    print("10%\r20%")
    print("\r")
    return "done\r"

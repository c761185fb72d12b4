"""Prints with and without newline, blank lines, and a last line that nothing ends."""

import sys


def run(input):
    print("one line")
    print("two", end=" ")
    print("halves")
    print()
    print("   ")
    print("  indented\ttabbed")
    print("several\nlines\nat once")
    sys.stdout.write("written")
    sys.stdout.write(" in pieces\n")
    print("to stderr", file=sys.stderr)
    print("flushed half", end="", flush=True)
    print(", other half")
    return "printed"

"""What a file has and a stand-in may lack."""

import sys


def run(input):
    print(sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.encoding)
    sys.stdout.buffer.write(b"bytes\n")
    sys.stdout.close()
    return "closed"

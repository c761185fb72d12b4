"""What a child process prints comes past the interception of `sys.stdout`."""

import subprocess


def run(input):
    print("before")
    subprocess.run(["echo", "from a child"], check=True)
    return "done"

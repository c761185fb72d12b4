"""`.env` in the project is loaded first, and wins."""

import os


def run(input):
    return f"{os.environ['GREETING']} from {os.path.basename(os.getcwd())}"

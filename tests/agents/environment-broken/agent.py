"""Beside it is a `.env` with a line that is no variable."""

import os


def run(input):
    return os.environ.get("CHARM_TEST_A", "") + os.environ.get("CHARM_TEST_B", "")

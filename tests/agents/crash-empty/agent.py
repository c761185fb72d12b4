"""An exception whose text is empty."""


def run(input):
    raise RuntimeError

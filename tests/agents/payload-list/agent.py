"""An input that is no object is wrapped: `{"input": it}`."""


def run(input):
    return f"{input}"

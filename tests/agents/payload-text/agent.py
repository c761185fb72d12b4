"""An input that is no object is wrapped: `{"input": it}`."""


def run(inputs):
    return f"{inputs}"

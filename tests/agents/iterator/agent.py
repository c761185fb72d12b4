"""An iterator that is no generator: its pieces are tokens all the same."""


def run(input):
    return map(str.upper, ["one ", input])

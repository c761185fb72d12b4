"""An exception ends the run with an error event."""


def run(input):
    print("about to fail")
    raise ValueError(f"kaput: {input} — ünïcode")

"""`custom` is another name of `python`."""


def run(input):
    return f"custom {input}"

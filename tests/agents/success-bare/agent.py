"""A result object that has no output."""


def run(input):
    return {"status": "success"}

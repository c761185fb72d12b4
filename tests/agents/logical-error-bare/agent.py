"""A failed run that doesn't say why."""


def run(input):
    return {"status": "error"}

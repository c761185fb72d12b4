"""A failed run whose message is a number."""


def run(input):
    return {"status": "error", "message": 404}

"""A suspended run without a thread and a next step."""


def run(input):
    return {"status": "suspended"}

"""A failed run that has a state to keep."""


def run(input):
    return {"status": "error", "message": "half way", "charm_state": {"step": 2}, "output": "so far"}

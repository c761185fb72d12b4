"""A state that Python takes for false is no update."""


def run(input):
    return {"status": "success", "output": "nothing to keep", "charm_state": 0.0}

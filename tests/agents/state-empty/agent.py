"""An empty `charm_state` is no update."""


def run(input):
    return {"status": "success", "output": "nothing to remember", "charm_state": {}}

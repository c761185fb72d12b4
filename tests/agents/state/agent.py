"""`charm_state` in the result becomes a `state_update`."""


def run(input):
    return {"status": "success", "output": "remembered", "charm_state": {"seen": [input], "count": 1}}

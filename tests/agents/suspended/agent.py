"""A run that stops to ask a person, with a state to go on from and something to show."""


def run(input):
    return {
        "status": "suspended",
        "thread_id": "thread-7",
        "next_step": ["approve"],
        "output": "May I book the flight?",
        "charm_state": {"flight": "SK123", "price": 99.5},
    }

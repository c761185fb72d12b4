"""A suspended run that has nothing to show yet."""


def run(input):
    return {"status": "suspended", "thread_id": "thread-8", "next_step": "review"}

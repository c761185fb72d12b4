"""A suspended run whose output is there, but null."""


def run(input):
    return {"status": "suspended", "thread_id": "thread-9", "next_step": None, "output": None}

"""A token that is an object."""

from uuid import uuid4


def run(input, callbacks):
    call = uuid4()
    for handler in callbacks:
        handler.on_llm_new_token({"a": 1}, run_id=call)
    return "done"

"""Fails after a few tokens."""

import uuid


def run(input, callbacks):
    run_id = uuid.uuid4()
    for token in ["Half", " an"]:
        for handler in callbacks:
            handler.on_llm_new_token(token, run_id=run_id)
    raise ConnectionError("the model hung up")

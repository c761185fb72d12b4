"""Tokens that are no text: a number, zero, blocks of a message, an object."""


def run(input, callbacks):
    for token in (5, 0, ["x", {"type": "text", "text": "y"}], {"a": 1}, "", None):
        callbacks[0].on_llm_new_token(token)
    return "x"

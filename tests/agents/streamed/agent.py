"""Tokens were streamed, so no `final` repeats them."""

import uuid


def run(input, callbacks):
    run_id = uuid.uuid4()
    for token in ["Hel", "lo", "", " ", "wörld", "\n", "🙂"]:
        for handler in callbacks:
            handler.on_llm_new_token(token, run_id=run_id)
    return "Hello wörld\n🙂"

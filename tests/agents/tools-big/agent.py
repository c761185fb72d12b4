"""A tool output of more than 500 characters, in characters that are several bytes long."""

import uuid


def tell(callbacks, hook, *args, **kwargs):
    for handler in callbacks:
        getattr(handler, hook)(*args, **kwargs)


def run(input, callbacks):
    for size in (499, 500, 501, 2000):
        run_id = uuid.uuid4()
        tell(callbacks, "on_tool_start", {"name": "dump"}, str(size), run_id=run_id)
        tell(callbacks, "on_tool_end", ("é🙂" * size)[:size], run_id=run_id)
    return "done"

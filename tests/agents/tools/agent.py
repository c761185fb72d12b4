"""Hand-made tool calls with LangChain's `run_id`: success, failure and an agent's thought."""

import types
import uuid


def tell(callbacks, hook, *args, **kwargs):
    for handler in callbacks:
        getattr(handler, hook)(*args, **kwargs)


def run(input, callbacks):
    good, bad = uuid.uuid4(), uuid.uuid4()
    tell(callbacks, "on_agent_action", types.SimpleNamespace(tool="search", tool_input={"q": input}), run_id=good)
    tell(callbacks, "on_tool_start", {"name": "search"}, "query: x", run_id=good)
    tell(callbacks, "on_tool_end", "result ü", run_id=good)
    tell(callbacks, "on_tool_start", {"name": "divide"}, "1 / 0", run_id=bad)
    tell(callbacks, "on_tool_error", ZeroDivisionError("division by zero"), run_id=bad)
    return "done"

"""Calls that are begun and never ended."""

from uuid import uuid4


def run(input, callbacks):
    for handler in callbacks:
        for tool in ("first", "second", "third"):
            handler.on_tool_start({"name": tool}, "x", run_id=uuid4())
    return "done"

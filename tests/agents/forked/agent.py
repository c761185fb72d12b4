"""A process that the agent forks prints, streams and calls a tool."""

import os
from uuid import uuid4


def run(input, callbacks):
    print("before")
    child = os.fork()
    if child == 0:
        print("in the child")
        call = uuid4()
        for handler in callbacks:
            handler.on_tool_start({"name": "search"}, "x", run_id=call)
        for handler in callbacks:
            handler.on_tool_end("y", run_id=call)
        os._exit(0)
    os.waitpid(child, 0)
    print("after")
    return "done"

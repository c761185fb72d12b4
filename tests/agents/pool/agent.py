"""A worker process of a pool calls a tool."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

HANDLERS = []


def work(output):
    print("in the worker")
    call = uuid4()
    for handler in HANDLERS:
        handler.on_tool_start({"name": "search"}, "x", run_id=call)
    for handler in HANDLERS:
        handler.on_tool_end(output, run_id=call)
    return "done"


def run(input, callbacks):
    HANDLERS.extend(callbacks)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work, "y" * 10_000).result()

"""Event lines that the agent prints pass through, known and unknown; what only looks like one doesn't."""

import json
import sys


def emit(**event):
    sys.stdout.write("__CHARM_EVENT__" + json.dumps(event, ensure_ascii=False) + "\n")


def run(input):
    emit(type="thinking", content="from the agent ü")
    emit(type="artifact", content={"name": "report.pdf", "url": "https://example.com/r.pdf", "mime": "application/pdf"})
    emit(type="state_update", content={"step": 1})
    emit(type="tool_usage", tool="search", count=3)
    emit(type="made_up", content=None, nested={"deep": [1, {"x": "y"}]}, number=1e3)
    print("between")
    print("  __CHARM_EVENT__ is the prefix")
    return "done"

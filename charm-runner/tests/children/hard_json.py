#!/usr/bin/env python3
"""Events that are hard to parse: nested 10,000 deep, the same key twice, huge numbers, very many keys; then an easy
one."""
import sys

def event(json):
    sys.stdout.write("__CHARM_EVENT__" + json + "\n")

event('{"type": "state_update", "content": ' + "[" * 10_000 + "]" * 10_000 + "}")
event('{"type": "state_update", "content": ' + '{"a": ' * 10_000 + "1" + "}" * 10_000 + "}")
event('{"type": "status", "type": "final", "content": 1, "content": 2}')
event('{"type": "state_update", "content": [1e999999, -' + "9" * 100_000 + "]}")
event('{"type": "state_update", ' + ", ".join('"%x": 0' % n for n in range(60_000)) + "}")
event('{"type": "state_update", ' + ", ".join('"%x": 0' % n for n in range(1_000_000)) + "}")
event('{"type": "final", "content": "easy"}')

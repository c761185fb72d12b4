#!/usr/bin/env python3
"""An event with a bad byte at each place in turn, each followed by a good event; then a lone surrogate, and one event
whose two-byte character is split over two writes."""
import os
import time

EVENT = b'__CHARM_EVENT__{"type": "delta", "content": "abc"}'
GOOD = b'__CHARM_EVENT__{"type": "delta", "content": "good"}\n'
for at in range(len(EVENT) + 1):
    os.write(1, EVENT[:at] + b"\xff" + EVENT[at:] + b"\n" + GOOD)
os.write(1, b'__CHARM_EVENT__{"type": "delta", "content": "\\ud800"}\n' + GOOD)
whole = '__CHARM_EVENT__{"type": "final", "content": "ö"}\n'.encode()
split = whole.index("ö".encode()) + 1
os.write(1, whole[:split])
time.sleep(0.02)
os.write(1, whole[split:])

#!/usr/bin/env python3
"""One event for each place where it can be torn, written in two pieces with a pause; then markers that are not at the
start of a line."""
import os
import time

EVENT = b'__CHARM_EVENT__{"type": "delta", "content": "torn"}\n'
for at in range(1, len(EVENT)):
    os.write(1, EVENT[:at])
    time.sleep(0.001)
    os.write(1, EVENT[at:])
os.write(1, b' __CHARM_EVENT__{"type": "final"}\n')
os.write(1, b'saw __CHARM_EVENT__{"type": "final", "content": "forged"}\n')

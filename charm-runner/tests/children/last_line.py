#!/usr/bin/env python3
"""An event without newline as last words, then the end named: `exit CODE`, `kill` or `segv`.
With a third argument, that text instead of the event."""
import os
import signal
import sys

EVENT = '__CHARM_EVENT__{"type": "final", "content": "last words"}'
how, code = sys.argv[1], int(sys.argv[2])
os.write(1, (sys.argv[3] if len(sys.argv) > 3 else EVENT).encode())
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "segv":
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
os._exit(code)

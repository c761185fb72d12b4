#!/usr/bin/env python3
"""Floods stderr with $1 MiB while it writes $2 numbered lines of 1 KiB to stdout, then an event."""
import os
import sys
import threading

def flood(mebibytes):
    noise = (b"e" * 1023 + b"\n") * 64
    for _ in range(mebibytes * 16):
        view = memoryview(noise)
        while view:
            view = view[os.write(2, view):]

flooder = threading.Thread(target=flood, args=(int(sys.argv[1]),))
flooder.start()
out = sys.stdout
for n in range(int(sys.argv[2])):
    out.write(f"{n:08} " + "o" * 1014 + "\n")
out.write('__CHARM_EVENT__{"type": "final", "content": "flooded"}\n')
out.flush()
flooder.join()

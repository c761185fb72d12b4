#!/usr/bin/env python3
"""Leaves a process behind that sleeps for an hour, and exits with 3.

hold       in our group, holding our pipes
quiet      in our group, pipes closed
daemon     double-forked into its own session, pipes closed
clinging   double-forked into its own session, holding our pipes
The process id of what is left behind is the first line of stdout.
"""
import os
import sys
import time

mode = sys.argv[1]
told, tell = os.pipe()
if os.fork() == 0:
    if mode in ("daemon", "clinging"):
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
    if mode in ("quiet", "daemon"):
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
    os.write(tell, str(os.getpid()).encode())
    time.sleep(3600)
    os._exit(0)
print(int(os.read(told, 32)), flush=True)
os._exit(3)

#!/usr/bin/env python3
"""Ignores SIGTERM, SIGINT and SIGHUP, says its process id, and stays for an hour."""
import os
import signal
import time

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(3600)

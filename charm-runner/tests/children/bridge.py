#!/usr/bin/env python3
"""Writes every byte value to the pipe named in BRIDGE_FD, and a line to stdout."""
import os

os.write(int(os.environ["BRIDGE_FD"]), bytes(range(256)))
os.write(1, b"on stdout\n")

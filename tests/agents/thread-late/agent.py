"""A thread that prints when the result is long known."""

import threading
import time


def late():
    time.sleep(0.5)
    print("late")


def run(input):
    threading.Thread(target=late).start()
    return "done"

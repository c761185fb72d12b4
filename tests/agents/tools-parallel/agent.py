"""Two tools that overlap, each in a thread; a baton keeps the order the same in every run."""

import threading
import uuid


def run(input, callbacks):
    baton = threading.Barrier(2)

    def call(name, steps):
        run_id = uuid.uuid4()
        for step in range(4):
            baton.wait()
            if step == steps[0]:
                for handler in callbacks:
                    handler.on_tool_start({"name": name}, f"input of {name}", run_id=run_id)
            if step == steps[1]:
                for handler in callbacks:
                    handler.on_tool_end(f"output of {name}", run_id=run_id)

    threads = [threading.Thread(target=call, args=args) for args in (("first", (0, 2)), ("second", (1, 3)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "both done"

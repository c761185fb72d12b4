# Keeps the bytecode of the parts that this run compiled, as Python does for modules: compiling them is most of what a
# start costs.
# The one rule: runs after the agent, and whatever goes wrong here stays here.


def store(name, bytecode):
    path = request["kept"] + name
    partial = "%s.%d" % (path, os.getpid())
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        try:
            data = memoryview(bytecode)
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)
        os.replace(partial, path)
    except OSError:
        os.unlink(partial)


try:
    from marshal import dumps

    for name, made in list(request["fresh"].items()):
        store(name, dumps(made))
except Exception:
    pass

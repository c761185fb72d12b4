# Keeps the bridge's bytecode for the next start, as Python does for modules: compiling it is most of what a start costs.
# The one rule: runs after the agent, and whatever goes wrong here stays here.


def store():
    from marshal import dumps

    path = "%s-%s-%x" % (request["cache"], sys.implementation.cache_tag, sys.hexversion)
    partial = "%s.%d" % (path, os.getpid())
    sources = request["parts"]
    kept = {n: dumps(compile(s, "<charm-bridge>", "exec")) for n, s in sources.items()}
    try:
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            data = memoryview(dumps(kept))
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)
        os.replace(partial, path)
    except OSError:
        try:
            os.unlink(partial)
        except OSError:
            pass


try:
    store()
except Exception:
    pass

# The handler on its way to another process, as `multiprocessing` sends it.
# The one rule: unpickling never fails; a process that cannot reach the runner is told so, once, on its stderr.
shared = None  # A file with all that a new interpreter needs to be part of the run.

UNPICKLE = """
import os, sys
if "charm_bridge" in sys.modules:
    handler = sys.modules["charm_bridge"].handler
else:
    try:
        import marshal
        with open(source, "rb") as file:
            request = marshal.load(file)
        os.environ["CHARM_BRIDGE_FD"] = str(os.open(pipe, os.O_WRONLY | os.O_CLOEXEC))
        code = lambda name: compile(request["parts"][name], "<charm-bridge>", "exec")
        bridge = {"__name__": "charm_bridge", "request": request, "code": code}
        exec(code("core"), bridge)
        for name in ("forked", "handler"):
            bridge["part"](name)
        bridge["take_over"]()
        handler = bridge["handler"]
    except Exception as error:
        said = "charm: process %d cannot reach the runner (%s): what its handlers are told is lost\\n" % (os.getpid(), error)
        os.write(2, said.encode("utf-8", "replace"))
        handler = type("Handler", (), {"__getattr__": lambda self, name: lambda *_, **__: None})()
"""


def passed_on():
    global shared
    if shared is None:
        from marshal import dumps

        try:
            shared = os.memfd_create("charm-bridge")
        except AttributeError:  # A Python that was built for an older C library.
            from tempfile import TemporaryFile

            shared = os.dup(TemporaryFile().fileno())
        left = memoryview(dumps({"parts": request["parts"], "adapter": request["adapter"]}))
        while left:
            left = left[os.write(shared, left) :]
    way = "/proc/%d/fd/" % os.getpid()
    given = {"source": way + str(shared), "pipe": way + str(pipe)}
    return eval, ("(lambda g: exec(%r, g) or g['handler'])(%r)" % (UNPICKLE, given),)

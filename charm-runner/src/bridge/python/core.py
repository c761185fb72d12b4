# The part of the bridge that every run needs: frames, stdout, finding and calling the agent, leaving.
# The one rule: it compiles on every start, so it stays small and imports nothing that Python has not loaded already;
# all that only some agents need is in the other parts, compiled when first used.
import gc
import os
import sys
from _io import BufferedWriter, TextIOWrapper, _IOBase, _RawIOBase
from _thread import RLock

OUT, TOKEN, RECORD = b"o", b"t", b"j"
PIPE_BUF = 4096  # What a pipe takes whole or not at all, so that no signal handler can cut a frame in two.
mark, in_child = "h", None  # How calls made by hand are named; what makes a forked child one.
pipe = int(os.environ.pop("CHARM_BRIDGE_FD"))
os.set_inheritable(pipe, False)
lock, busy, late = RLock(), False, []
compiled = set()
asked = None  # What `python` called.
ESCAPES = {34: '\\"', 92: "\\\\", **{c: "\\u%04x" % c for c in range(32)}, 10: "\\n"}


def part(name):
    if name not in compiled:
        compiled.add(name)
        exec(code(name), globals())


def send(kind, payload):
    global busy, pipe
    frame = (len(payload) + 1).to_bytes(4, "little") + kind + payload
    with lock:
        if pipe < 0:
            if kind == OUT:
                os.write(1, payload)
        elif busy:  # A signal handler that prints while the same thread is inside a write.
            late.append(frame)
        else:
            busy = True
            try:
                put(frame)
                while late:
                    put(late.pop(0))
            except OSError:  # Nobody reads any more.
                pipe = -1
            finally:
                busy = False


def put(frame):
    if len(frame) <= PIPE_BUF:
        os.write(pipe, frame)
    else:
        part("values")
        put_long(frame)


def forking():
    global in_child
    flush()
    in_child = in_child or code("forked")


class Stdout(_RawIOBase):
    name, mode = "<stdout>", "wb"

    def write(self, data):
        data = memoryview(data).cast("B")
        for at in range(0, len(data), 4000):
            send(OUT, bytes(data[at : at + 4000]))
        return len(data)

    def writable(self):
        return True

    def fileno(self):
        return 1


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def text(value):
    try:
        return str(value)
    except Exception as error:
        return "<%s: str() failed with %s>" % (type(value).__name__, type(error).__name__)


def quote(value):
    return '"' + text(value).translate(ESCAPES) + '"'


def record(json):
    try:
        data = json.encode()
    except UnicodeEncodeError:  # Lone surrogates have no UTF-8.
        data = json.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    send(RECORD, data)


def load(entry):
    module, colon, name = entry.partition(":")
    if not (module and colon and name) or ":" in name or "/" in module:
        raise ValueError("the entry point `%s` must be `module.path:attribute`, as `agent:main`" % entry)
    __import__(module)
    target = sys.modules[module]
    for step in name.split("."):
        target = getattr(target, step)
    return target


def by_name(target, inputs):
    func = getattr(target, "__func__", target)
    code = getattr(func, "__code__", None)
    if code is None or code.co_posonlyargcount or "__wrapped__" in func.__dict__ or "__signature__" in func.__dict__:
        part("odd")
        return by_signature(target, inputs)
    given = dict(inputs) if code.co_flags & 8 else {}
    for name in code.co_varnames[func is not target : code.co_argcount + code.co_kwonlyargcount]:
        if name == "inputs":
            given[name] = inputs
        elif name == "callbacks":
            part("handler")
            given[name] = [handler]
        elif name in inputs:
            given[name] = inputs[name]
    return target(**given)


def python(target, inputs):
    global asked
    if type(target).__name__ not in ("function", "method"):
        part("odd")
        target = runnable(target)
    asked = target
    value = by_name(target, inputs)
    if type(value) is not str:
        part("stream")
        return finish(value)
    return '{"status":"success","output":%s,"raw_type":"str"}' % quote(value)


def leave(code):
    # What the interpreter does at its end, without taking itself apart.
    modules = sys.modules  # What was never imported has nothing to do, and importing it takes time.
    if "threading" in modules:
        modules["threading"]._shutdown()
    if "atexit" in modules:
        modules["atexit"]._run_exitfuncs()
    flush()
    if request["kept"] and request["fresh"]:
        part("store")
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, _IOBase) and kind is not Stdout}
    files = [file for file in objects if type(file) in kinds]
    for native in (True, False, True):
        for file in files:
            try:  # What their finalisers would do: nothing that was written may be lost.
                if (type(file).__module__ == "_io") is native:
                    file.flush() if native else file.close()
            except Exception:
                pass
    os._exit(code)


def take_over():
    os.register_at_fork(before=forking, after_in_child=lambda: exec(in_child, globals()))
    sys.stdout = sys.__stdout__ = TextIOWrapper(BufferedWriter(Stdout()), "utf-8", "backslashreplace", "\n", True)


def main():
    gc.freeze()  # What Python itself made is none of the agent's: neither for its collector nor for `leave`.
    take_over()
    project, entry, adapter = os.getcwd(), request["entry"], request["adapter"]
    if sys.path[:1] == [""]:
        del sys.path[0]
    if type(request["inputs"]) is str:  # With values that only Python's own reader has; before the project's modules.
        request["inputs"] = __import__("json").loads(request["inputs"])
    sys.path.insert(0, project)
    sys.modules["__main__"].__dict__.pop("_", None)
    sys.argv[:] = [project + "/" + entry.partition(":")[0].replace(".", "/") + ".py"]
    stage = "load"
    try:
        target = load(entry)
        stage = "run"
        if adapter == "python":
            result = python(target, request["inputs"])
        else:
            part("frameworks")
            result = ADAPTERS[adapter](target, request["inputs"])
        flush()
        record('{"type":"result","result":%s}' % result)
        code = 0
    except BaseException as error:
        part("failure")
        code = failed(stage, error)
    try:
        leave(code)
    except KeyboardInterrupt as error:  # While it waited for a thread.
        part("failure")
        failed(stage, error)


if "entry" in request:
    main()

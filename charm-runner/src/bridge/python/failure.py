# How a run that did not end well is told: the agent's lines to stderr, one record to the runner.
# The one rule: what the agent did is its result, what kept it from starting is a crash.


def own(frame):
    name = frame.tb_frame.f_code.co_filename
    return name == "<charm-bridge>" or name == "<string>" or name.startswith("<frozen importlib")


def trimmed(trace):
    while trace is not None and own(trace):
        trace = trace.tb_next
    return trace


def last(trace):
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def lines_of(error):
    # What Python itself would show, with the agent's frames alone, in the errors that led to it too.
    import traceback

    told = traceback.TracebackException(type(error), error, trimmed(error.__traceback__))
    left = [told]
    while left:
        one = left.pop()
        one.stack[:] = [frame for frame in one.stack if frame.filename != "<charm-bridge>"]
        left += filter(None, (one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ())))
    return "".join(told.format())


def shown(error):
    # On stderr, behind what the agent said there. Given back for the record, with whether it got there.
    try:
        lines = lines_of(error)
    except Exception:  # An error may be any object of the agent's.
        lines = "%s: %s\n" % (type(error).__name__, text(error))
    flush()
    try:
        left = memoryview(lines.encode("utf-8", "backslashreplace"))
        while left:
            left = left[os.write(2, left) :]
        return lines, True
    except OSError:
        return lines, False


def described(error):
    # What a handler was given, for spans: the class, and where it was raised.
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
    more = ',"error_type":' + quote(name)
    if error.__traceback__ is None:
        return more
    return more + ',"traceback":' + bounded(quote(lines_of(error)))


def failed(stage, error):
    part("values")
    if isinstance(error, SystemExit):
        return left(error)
    if isinstance(error, KeyboardInterrupt):
        return interrupted(error)
    refused = type(error).__name__ == "NotRunnable"
    if stage == "load" or refused:
        flush()
        name = "TypeError" if refused else type(error).__name__
        where = trimmed(error.__traceback__) or isinstance(error, SyntaxError)
        lines, is_shown = shown(error) if where else ("", True)
        say = [("type", "crash"), ("error_type", name), ("message", advice(error)), ("traceback", lines)]
        say = ",".join('"%s":%s' % (key, quote(value)) for key, value in say)
        record('{%s,"is_shown":%s}' % (say, "true" if is_shown else "false"))
        return 1
    return told(error)


def told(error):
    name, message, lines, is_shown = type(error).__name__, text(error), "", True
    if name == "Refused":
        name, prefix = "ContractViolation", ""
    elif isinstance(error, TypeError) and own(last(error.__traceback__)) and asked is not None:
        name = "SignatureError"
        prefix = "Function signature mismatch for '%s': " % getattr(asked, "__name__", type(asked).__name__)
    else:
        prefix = FAILED.get(request["adapter"], "Agent Execution Failed: ")
        lines, is_shown = shown(error)
    flush()
    result = '{"status":"error","error_type":%s,"message":%s}' % (quote(name), quote(prefix + message))
    more = '"traceback":%s,"is_shown":%s' % (quote(lines), "true" if is_shown else "false")
    record('{"type":"result","result":%s,%s}' % (result, more))
    return 0


FAILED = {"langgraph": "Graph Execution Failed: ", "crewai": ""}


def advice(error):
    entry = request["entry"]
    module = entry.partition(":")[0]
    if isinstance(error, ModuleNotFoundError):
        missing = error.name or ""
        if missing == module or module.startswith(missing + "."):
            hint = "write `%s`" % entry.replace(".py:", ":", 1) if ".py:" in entry else "check `runtime.adapter.entry_point`"
            return "can't import `%s` of the entry point `%s`: there is no such module in the project; %s" % (
                module, entry, hint)
        return "can't import `%s`: no module named `%s`; is it in the agent's requirements, and installed for %s?" % (
            module, missing, sys.executable)
    if isinstance(error, AttributeError) and trimmed(error.__traceback__) is None:
        found = [n for n in vars(sys.modules.get(module, object)) if not n.startswith("_")]
        return "`%s` has no attribute `%s`; it has: %s" % (
            module, entry.partition(":")[2], ", ".join("`%s`" % n for n in sorted(found)[:20]) or "nothing")
    if trimmed(error.__traceback__) is None and not isinstance(error, (ImportError, SyntaxError)):
        return text(error)
    return "can't load the entry point `%s`: %s: %s" % (entry, type(error).__name__, text(error))


def left(error):
    code = error.code
    if code is not None and not isinstance(code, int):
        print(text(code), file=sys.stderr)
        flush()
        said = "the agent called sys.exit: " + text(code)
        record('{"type":"result","result":{"status":"error","error_type":"SystemExit","message":%s}}' % quote(said))
        return 1
    try:
        log("info", "the agent called sys.exit(%r)" % (code,))
    except Exception:
        log("info", "the agent called sys.exit")
    return 0 if code is None else code & 255


def interrupted(error):
    # As Python itself ends on Ctrl-C: by the signal, after the exit handlers.
    import atexit
    import signal

    shown(error)
    log("info", "the agent was interrupted")
    try:
        atexit._run_exitfuncs()
    except Exception:
        pass
    flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130

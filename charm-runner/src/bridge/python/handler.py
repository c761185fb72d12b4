# The callback handler as far as an agent can drive it by hand.
# The one rule: no hook ever raises, whatever it is given; what LangChain alone calls is in the part `hooks`.
from _thread import get_ident

MOST = 20 << 20  # Bytes of one field: all of a record stay below the reader's limit.
UNKNOWN = "Unknown Tool"
calls = {}  # Open calls: id -> (kind, tool name, place).
made = {}  # Open hand-made calls of one place, innermost last: place -> [id].
parents = {}  # What LangChain said: run id -> parent run id.
count = 0


def place():
    # Where a hand-made call lives: the asyncio task, or the thread.
    try:
        task = sys.modules["asyncio"].current_task()
        return id(task) if task else get_ident()
    except Exception:
        return get_ident()


def parent_of(run):
    # The nearest ancestor that was reported; chains are not.
    while run is not None:
        run = str(run)
        if run in calls:
            return run
        run = parents.get(run)
    stack = made.get(place()) if made else None
    return stack[-1] if stack else None


def opened(kind, name, run, above):
    global count
    parent = parent_of(above)
    spot = None
    if run is None:
        count += 1
        call, spot = "%s%d" % (mark, count), place()
        made.setdefault(spot, []).append(call)
    else:
        call = str(run)
        parents[call] = above
    calls[call] = (kind, name, spot)
    head = '"call":' + quote(call)
    return head + ',"parent":' + quote(parent) if parent else head


def innermost(kind):
    # The call that an end without a run id closes: the innermost of this place, else the latest anywhere.
    for call in reversed(made.get(place(), ())):
        if calls[call][0] == kind:
            return call
    for call in reversed(list(calls)):
        if calls[call][0] == kind and calls[call][2] is not None:
            return call


def closed(kind, run):
    global count
    call = innermost(kind) if run is None else str(run)
    parents.pop(call, None)
    if call is None:
        count += 1
        call = "%s%d" % (mark, count)
    _, name, spot = calls.pop(call, (kind, UNKNOWN, None))
    if spot is not None:
        made[spot].remove(call)
        if not made[spot]:
            del made[spot]
    return '"call":' + quote(call), name


def name_of(serialized, given, unknown=UNKNOWN):
    return text(attempt(found_name, serialized) or given or unknown)


def found_name(serialized):
    return serialized.get("name") if isinstance(serialized, dict) else serialized if isinstance(serialized, str) else None


def attempt(make, *given):
    # What an object of the agent's tells, or nothing: an event that lacks a field is better than none.
    try:
        return make(*given)
    except Exception:
        return None


def guarded(hook):
    # A hook must not fail the agent because of what it, or a version of LangChain, gives.
    def safe(self, *args, **kwargs):
        try:
            hook(self, *args, **kwargs)
        except Exception as error:
            try:
                part("values")
                log("debug", "%s: %s: %s" % (hook.__name__, type(error).__name__, text(error)))
            except Exception:
                pass

    safe.__name__ = hook.__name__
    return safe


def bounded(json):
    # A part of a value could end within a secret, where nobody would know it: all of it, or none.
    if len(json) > MOST // 4:
        size = len(json.encode("utf-8", "surrogatepass"))
        if size > MOST:
            return '"[left out: %d bytes]"' % size
    return json


def brief(value):
    return bounded(quote(value))


def wrong(error):
    body = '"error":' + brief(error)
    if isinstance(error, BaseException):
        try:
            part("failure")
            return body + described(error)
        except Exception:
            pass
    return body


def content_text(value):
    # The text of a message's content: a string, or blocks of which some are text.
    if type(value) is str:
        return value
    is_block = isinstance(value, dict) and ("type" in value or isinstance(value.get("text"), str))
    if not (is_block or isinstance(value, list)):
        return "" if value is None else text(value)
    blocks = [value] if is_block else value
    parts = (b if isinstance(b, str) else b.get("text") if isinstance(b, dict) else None for b in blocks)
    return "".join(p for p in parts if isinstance(p, str))


def token(value, call=""):
    said = content_text(value)
    if not said and value:
        said = textless(value)
    if said:
        call = call.encode()[:255]
        try:
            said = said.encode()
        except UnicodeEncodeError:
            said = said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
        flush_partial()
        send(TOKEN, bytes((len(call),)) + call + said)


def textless(value):
    # A token without text is JSON. Not so a model's blocks: a piece of a tool's arguments is nothing to show.
    if isinstance(value, list) and all(b == "" or isinstance(b, dict) and "type" in b for b in value):
        return ""
    part("values")
    return dump(value)


def flush_partial():
    # Prints and records keep their order, also a print without newline.
    try:
        sys.stdout.flush()
    except Exception:
        pass


def emit(kind, body):
    flush_partial()
    record('{"type":"%s",%s}' % (kind, body))


class Handler:
    @guarded
    def on_tool_start(self, serialized=None, input_str="", *, run_id=None, parent_run_id=None, name=None, inputs=None, **_):
        name = name_of(serialized, name)
        head = opened("tool", name, run_id, parent_run_id)
        body = '%s,"tool":%s,"input":%s' % (head, brief(name), brief(input_str))
        if inputs is not None and attempt(isinstance, inputs, dict):
            part("values")
            body += json_field("arguments", inputs)
        emit("tool_start", body)

    @guarded
    def on_tool_end(self, output=None, *, run_id=None, **_):
        call, name = closed("tool", run_id)
        emit("tool_end", '%s,"tool":%s,"output":%s' % (call, brief(name), brief(output)))

    @guarded
    def on_tool_error(self, error=None, *, run_id=None, **_):
        call, name = closed("tool", run_id)
        emit("tool_error", '%s,"tool":%s,%s' % (call, brief(name), wrong(error)))

    def on_llm_new_token(self, token_=None, *, run_id=None, token=None, **_):
        try:
            new_token(token_ if token is None else token, str(run_id) if run_id else innermost("llm") or "" if made else "")
        except Exception:  # As `guarded`, without the call that it costs.
            pass

    @guarded
    def on_agent_action(self, action=None, *, run_id=None, parent_run_id=None, **_):
        tool, given = getattr(action, "tool", "Unknown"), getattr(action, "tool_input", "")
        head = '"call":%s,' % quote(run_id) if run_id is not None else ""
        parent = parent_of(parent_run_id)
        head += '"parent":%s,' % quote(parent) if parent else ""
        emit("agent_action", '%s"tool":%s,"tool_input":%s' % (head, brief(tool), brief(given)))

    def __getattr__(self, name):
        # The first touch by LangChain, or by an agent that calls its other hooks.
        if name.startswith(("on_", "ignore_", "raise_", "run_")):
            if "hooks" not in compiled:
                part("hooks")
                return getattr(self, name)
            if name.startswith("on_"):
                return nothing
            return name.startswith("ignore_")
        raise AttributeError(name)

    def __deepcopy__(self, _):
        return self

    def __reduce__(self):
        part("pickled")
        return passed_on()

    @property
    def __class__(self):
        # LangChain's models check their handlers by class; being one costs an import that only they need.
        base = sys.modules.get("langchain_core.callbacks.base")
        return getattr(base, "BaseCallbackHandler", Handler)


def nothing(*_, **__):
    return None


new_token = token
handler = Handler()
sys.modules[__name__] = type(sys)(__name__)  # Where a process that it is sent to finds its own.
sys.modules[__name__].handler = handler

# JSON of any value, records about the bridge itself, and frames that a pipe does not take in one.
# The one rule: a value that JSON has no word for becomes something readable, never an error.
from _json import encode_basestring, make_encoder

DEPTH = 100  # Of the 128 levels that the reader takes.
WORDS = -(1 << 63), 1 << 64  # Whole numbers from here to there are the same for all readers.
DIGITS = -(1 << 14000), 1 << 14000  # Longer ones Python does not write.
MAX_FRAME = 64 << 20  # As the reader's.


def put_long(frame):
    # In parts that a pipe takes whole, with the number of the process: others write between them.
    # A handler that raises between two writes would lose the rest: hold back the signals that have one.
    from _signal import SIG_BLOCK, SIG_SETMASK, getsignal, pthread_sigmask, valid_signals

    if len(frame) > MAX_FRAME:
        said = "a record of %d bytes was left out: the limit is %d" % (len(frame), MAX_FRAME)
        if frame[5:].startswith(b'{"type":"result"'):
            said = "the agent's result has %d bytes: the limit is %d" % (len(frame), MAX_FRAME)
            return record('{"type":"result","result":{"status":"error","message":"%s"}}' % said)
        return log("error", said)
    old = pthread_sigmask(SIG_BLOCK, [s for s in valid_signals() if callable(getsignal(s))])
    try:
        number, size = os.getpid().to_bytes(4, "little"), PIPE_BUF - 10
        for at in range(4, len(frame), size):
            part = frame[at : at + size]
            ends = (at == 4) + 2 * (at + size >= len(frame))
            os.write(pipe, b"%sp%s%c%s" % ((len(part) + 6).to_bytes(4, "little"), number, ends, part))
    finally:
        pthread_sigmask(SIG_SETMASK, old)


def convert(value):
    if isinstance(getattr(value, "type", None), str) and hasattr(value, "content"):
        return value.content  # A message.
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (set, frozenset)):
        return list(value)
    return text(value)


def clean(value, above=(), odd=None):
    # The slow way: for values that the encoder refuses. A number that is none becomes what `odd` makes of it.
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else odd and odd(value)
    if isinstance(value, int):
        most = WORDS if odd else DIGITS
        return int(value) if most[0] <= value < most[1] else text(value)
    if id(value) in above:
        return "<circular>"
    if len(above) >= DEPTH:
        return text(type(value))
    above += (id(value),)
    try:
        if isinstance(value, dict):
            return {key if isinstance(key, str) else key_text(key): clean(v, above, odd) for key, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(v, above, odd) for v in value]
        return clean(convert(value), above, odd)
    except Exception:
        return text(value)


def key_text(key):
    plain = {True: "true", False: "false", None: "null"}
    return plain[key] if key is None or isinstance(key, bool) else text(key)


def encode(value):
    made = make_encoder({}, convert, encode_basestring, None, ":", ",", False, False, False)(value, 0)
    return "".join(made)


def dump(value):
    try:
        json = encode(value)
        if json.count("[") + json.count("{") < DEPTH:
            return json
    except Exception:
        pass
    return encode(clean(value))


def is_common(value):
    # Whether every reader of JSON takes its numbers; of what is not JSON's own nobody knows before it is converted.
    kind = type(value)
    if kind is int:
        return WORDS[0] <= value < WORDS[1]
    if kind is float:
        return value - value == 0
    if kind is dict:
        return all(map(is_common, value.values()))
    if kind is list or kind is tuple:
        return all(map(is_common, value))
    return value is None or kind in (str, bool)


def json_field(name, value):
    # A field of an event, or nothing if it cannot be told: it must cost neither the event nor the agent.
    try:
        try:
            is_plain = is_common(value)
        except RecursionError:
            is_plain = False
        json = dump(value) if is_plain else encode(clean(value, (), text))
        return ',"%s":%s' % (name, bounded(json))
    except Exception:
        return ""


def log(level, message):
    flush()
    record('{"type":"log","level":%s,"message":%s}' % (quote(level), quote(message)))

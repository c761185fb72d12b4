# JSON of any value, records about the bridge itself, and frames that a pipe does not take in one.
# The one rule: a value that JSON has no word for becomes something readable, never an error.
from _json import encode_basestring, make_encoder

DEPTH = 100  # Of the 128 levels that the reader takes.
MAX_FRAME = 64 << 20  # As the reader's.


def put_long(frame):
    # A handler that raises between two writes would leave half a frame: hold back the signals that have one.
    from _signal import SIG_BLOCK, SIG_SETMASK, getsignal, pthread_sigmask, valid_signals

    if len(frame) > MAX_FRAME:
        said = "a record of %d bytes was left out: the limit is %d" % (len(frame), MAX_FRAME)
        if frame[5:].startswith(b'{"type":"result"'):
            said = "the agent's result has %d bytes: the limit is %d" % (len(frame), MAX_FRAME)
            return record('{"type":"result","result":{"status":"error","message":"%s"}}' % said)
        return log("error", said)
    old = pthread_sigmask(SIG_BLOCK, [s for s in valid_signals() if callable(getsignal(s))])
    try:
        left = memoryview(frame)
        while left:
            left = left[os.write(pipe, left) :]
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


def clean(value, above=()):
    # The slow way: for values that the encoder refuses.
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 64 else text(value)
    if id(value) in above:
        return "<circular>"
    if len(above) >= DEPTH:
        return text(type(value))
    above += (id(value),)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else key_text(key): clean(v, above) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v, above) for v in value]
    try:
        return clean(convert(value), above)
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


def log(level, message):
    flush()
    record('{"type":"log","level":%s,"message":%s}' % (quote(level), quote(message)))

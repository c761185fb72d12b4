# A process that the agent forked, or another one that its handler came to. It shares the pipe with the others: each frame
# is one write, or parts that say whose they are.
# The one rule: what such a process says of the agent arrives, or it is told that it does not; its result is not the run's.
lock, busy, mark, is_cut_off = RLock(), False, "h%d." % os.getpid(), False
late.clear()
number = os.getpid().to_bytes(4, "little")


def identity(file):
    try:
        return os.fstat(file)[1:3]
    except OSError:
        return None


# As they were before the first fork: a daemon closes all its files, and others come in their place.
if "send_frame" not in globals():
    send_frame = send
    ours = identity(pipe) if pipe >= 0 else None
    home = identity(1)


def send(kind, payload):
    global pipe, is_cut_off
    if pipe >= 0 and (ours is None or identity(pipe) != ours):
        pipe = -1
    if kind == OUT:
        if pipe >= 0 and identity(1) == home:
            return send_frame(b"c", number + payload)
        return os.write(1, payload)  # Where the process has sent its stdout.
    if kind == RECORD and payload.startswith((b'{"type":"result"', b'{"type":"crash"')):
        kind, payload = RECORD, UNWANTED % os.getpid()
    if pipe >= 0:
        return send_frame(kind, payload)
    if not is_cut_off:
        is_cut_off = True
        os.write(2, b"charm: process %d has closed the way to the runner: what its handlers are told is lost\n" % os.getpid())


UNWANTED = (
    b'{"type":"log","level":"warning","message":"process %d, which the agent forked, returned from the entry point:'
    b' its result is not the run\'s; end such a process with `os._exit`"}'
)

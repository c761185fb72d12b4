# Values that stand for others: coroutines, awaitables, generators and other iterators.
# The one rule: one event loop runs all of it, and asyncio is imported only when there is something to await.
part("values")


def awaited(value):
    # Runs a coroutine, an awaitable or an async generator to its end; anything else comes back as it is.
    if not (hasattr(value, "__await__") or hasattr(value, "__anext__")):
        return value
    import asyncio

    async def drive():
        got = value
        while hasattr(got, "__await__"):
            got = await got
        if hasattr(got, "__anext__"):
            stream = Streamed(type(got).__name__)
            async for item in got:
                stream.add(item)
            return stream
        return got

    return asyncio.run(drive())


class Streamed:
    # What an iterator said: strings are tokens; the output is all of them in one, or the list if some were no text.
    def __init__(self, kind):
        part("handler")
        self.kind, self.items, self.plain = kind, [], True

    def add(self, item):
        try:
            content = getattr(item, "content", item)
        except Exception:
            content = item
        if isinstance(content, str) or (content is not item and isinstance(content, list)):
            item = content_text(content)
            token(item)
        elif item is not None:
            self.plain = False
        if item is not None:
            self.items.append(item)

    def output(self):
        return "".join(self.items) if self.plain else self.items


def settled(value):
    # The agent's value with all that it stands for: awaited, streamed. And the name of its type.
    value = awaited(value)
    if hasattr(type(value), "__next__"):
        stream, iterator = Streamed(type(value).__name__), value
        while True:
            try:
                stream.add(next(iterator))
            except StopIteration as stop:
                if stop.value is not None:
                    return stop.value, type(stop.value).__name__
                value = stream
                break
    if type(value) is Streamed:
        return value.output(), value.kind
    return value, type(value).__name__


def finish(value):
    value, kind = settled(value)
    if isinstance(value, dict) and "status" in value:
        return dump(value)
    return '{"status":"success","output":%s,"raw_type":%s}' % (dump(value), quote(kind))

"""Makes python-VERSION.json: tracebacks as this Python writes them, with what is true of them, taken from the live objects.

To renew: for each Python, `python make.py`.
"""

import asyncio
import json
import pathlib
import sys
import tempfile
import traceback

AGENT = '''
import asyncio, json

class Refused(Exception):
    class Softly(Exception):
        pass

def plain(city="Paris"):
    return forecast(city)

def forecast(city):
    return [look_up(place) for place in city.split()]

def look_up(place):
    raise ValueError("no weather for " + place)

def chained():
    try:
        try:
            plain("Paris")
        except ValueError as error:
            raise KeyError("Paris") from error
    except KeyError:
        raise RuntimeError("no answer")

def never_raised():
    raise RuntimeError("no answer") from ValueError("never raised")

def recursion(depth=30):
    if depth == 0:
        raise RecursionError("deep")
    return recursion(depth - 1)

def two_recursions(depth=30, then=None):
    if depth == 0:
        return then() if then else look_up("Rome")
    return two_recursions(depth - 1, then)

def twice():
    two_recursions(10, lambda: two_recursions(5))

def syntax():
    import broken

def library():
    import toolkit.tools
    toolkit.tools.call(look_up, "Oslo")

def standard():
    json.loads("{")

def several_lines():
    return max(
        look_up("a"
                "b"),
        key=len,
    )

def many_lines():
    raise ValueError("one\\n  File \\"x\\" is none\\n\\n    two\\nthree: \\u2614\\n")

def unicode():
    gr\u00f6\u00dfe = {"\u2614": 1}; raise KeyError("\u7121 " + str(gr\u00f6\u00dfe))

def no_source():
    exec("def f():\\n  raise OSError(5, 'io')\\nf()")

def no_text():
    raise Refused

def a_class_in_a_class():
    raise Refused.Softly("please")

def quoted():
    try:
        plain("Rome")
    except ValueError:
        import traceback
        text = traceback.format_exc()
    raise RuntimeError("\\n" + text)

def in_a_coroutine():
    async def inner():
        await asyncio.sleep(0)
        look_up("Bergen")
    asyncio.run(inner())

def long_line():
    raise ValueError("so" if plain else "x" or "a line that is longer than others because somebody did not mind that it is")

def suppressed():
    try:
        plain("Paris")
    except ValueError:
        raise KeyError("k") from None
'''

SINCE_3_11 = '''
from agent import *

def notes():
    try:
        plain("Paris")
    except ValueError as error:
        error.add_note("asked by: x")
        error.add_note("two\\nlines")
        raise

def caught(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return error

def group():
    raise ExceptionGroup("two", [caught(plain, "Paris"), KeyError("b")])

def wide():
    raise ExceptionGroup("wide", [ValueError(number) for number in range(20)])

def deep():
    error = ValueError("core")
    for number in range(12):
        error = ExceptionGroup("level %d" % number, [error])
    raise error

def groups():
    inner = caught(group)
    try:
        try:
            raise TypeError("before")
        except TypeError:
            raise ExceptionGroup("outer", [inner, caught(chained), ValueError("last\\nof them")])
    except ExceptionGroup as error:
        error.add_note("a note")
        raise RuntimeError("after") from error
'''


def truth(error, parent=None, link=None, into=None, depth=0, seen=()):
    """Newest first: what was raised, then its cause, then the members of a group, as many and as deep as Python writes,
    and each once."""
    into, seen = ([], set()) if into is None else (into, seen)
    if error in seen:
        return into
    seen.add(error)
    here = len(into)
    if depth >= 10:
        into.append({"class": None, "text": "... (max_group_depth is 10)", "frames": [], "parent": parent, "link": link})
        return into
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    text = "\n".join([text] + list(getattr(error, "__notes__", [])))
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
    frames = [
        {"path": frame.filename, "line": frame.lineno, "function": frame.name, "source": (frame.line or "").strip() or None}
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError):
        frames.append({"path": error.filename, "line": error.lineno, "function": None, "source": error.text.strip()})
    into.append({"class": module + kind.__qualname__, "text": text, "frames": frames, "parent": parent, "link": link})
    if error.__cause__ is not None:
        truth(error.__cause__, here, "__cause__", into, depth, seen)
    elif error.__context__ is not None and not error.__suppress_context__:
        truth(error.__context__, here, "__context__", into, depth, seen)
    for number, member in enumerate(getattr(error, "exceptions", ())[:15]):
        truth(member, here, "exceptions[%d]" % number, into, depth + 1, seen)
    return into


def told(call):
    try:
        call()
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next
        return "".join(traceback.format_exception(type(error), error, error.__traceback__)), truth(error)


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    packages = folder / "venv/lib/python3/site-packages/toolkit"
    packages.mkdir(parents=True)
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    (folder / "modern.py").write_text(SINCE_3_11)
    (folder / "broken.py").write_text("def f(:\n    pass\n")
    (packages / "tools.py").write_text("def call(function, argument):\n    return function(argument)\n")
    sys.path[:0] = [str(folder), str(packages.parent)]
    modules = ["agent"] + (["modern"] if sys.version_info >= (3, 11) else [])
    cases = {}
    for module in modules:
        functions = vars(__import__(module))
        for name, function in functions.items():
            own = getattr(function, "__module__", None) == module and callable(function)
            if own and name not in ("forecast", "look_up", "Refused", "two_recursions", "caught"):
                text, true = told(function)
                cases[name] = {"text": text, "raised": true}
    version = "%d.%d" % sys.version_info[:2]
    text = json.dumps(cases, indent=1, sort_keys=True)
    text = text.replace(str(folder), "/app").replace(sys.base_prefix, "/usr/local").replace(sys.prefix, "/usr/local")
    path = pathlib.Path(__file__).with_name("python-%s.json" % version)
    path.write_text(text + "\n")
    print(path.name, len(cases), "cases", len(text), "bytes")


main()

# Targets that are not plain functions: classes, objects, wrapped and built-in callables.
# The one rule: a class is instantiated before it is asked for its methods.

METHODS = ("invoke", "run", "ainvoke", "arun")


class NotRunnable(Exception):
    # The entry point is no agent: the manifest must change, so this is a crash of the load.
    pass


def runnable(target):
    if isinstance(target, type):
        if not any(callable(getattr(target, m, None)) for m in METHODS + ("__call__",) if m in dir(target)):
            raise unfit(target.__name__)
        target = target()
    for method in METHODS:
        if callable(getattr(target, method, None)):
            return getattr(target, method)
    if not callable(target):
        raise unfit(type(target).__name__)
    return target


def unfit(name):
    return NotRunnable(
        "the entry point `%s` is of type `%s`: it must be a function, or a class or object with `invoke` or `run`"
        % (request["entry"], name)
    )


def by_signature(target, inputs):
    import inspect

    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return target()
    before, given, placed = [], {}, True
    for p in parameters:
        if p.kind is p.VAR_KEYWORD:
            given = {**inputs, **given}
        if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            continue
        if p.name == "inputs":
            value = inputs
        elif p.name == "callbacks":
            part("handler")
            value = [handler]
        elif p.name in inputs:
            value = inputs[p.name]
        else:
            placed = placed and p.kind is not p.POSITIONAL_ONLY
            continue
        if p.kind is not p.POSITIONAL_ONLY:
            given[p.name] = value
        elif placed:
            before.append(value)
    return target(*before, **given)

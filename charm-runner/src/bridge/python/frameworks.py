# LangChain, LangGraph and CrewAI agents.
# The one rule: an agent is run once; it is only run again when the first try could not begin for want of an event loop.
part("stream")
part("odd")
part("handler")


class Refused(Exception):
    # The entry point gave something that this adapter can't run.
    pass


def resolved(target, methods, inners):
    # What the entry point stands for: an instance of a class, what a factory returns, what a wrapper holds.
    if isinstance(target, type):
        target = target()
    elif type(target).__name__ in ("function", "method") and not any(hasattr(target, m) for m in methods):
        target = awaited(by_name(target, request["inputs"]))
    for inner in inners:
        if any(callable(getattr(target, m, None)) for m in methods):
            break
        if getattr(target, inner, None) is not None:
            log("info", "running the attribute `%s` of the entry point" % inner)
            target = getattr(target, inner)
            if inner == "crew":
                target = target()
    if not any(callable(getattr(target, m, None)) for m in methods):
        raise Refused(
            "the entry point `%s` gives an object of type `%s`, but the adapter `%s` needs one with `%s`; is `runtime.adapter.type` right?"
            % (request["entry"], type(target).__name__, request["adapter"], methods[0])
        )
    return target


def wants_loop(error):
    # How LangChain and LangGraph say that something has no synchronous way.
    said = text(error).lower()
    kinds = (TypeError, NotImplementedError, RuntimeError)
    return isinstance(error, kinds) and ("synchronous" in said or "sync invocation" in said or "ainvoke" in said)


def ask(target, method, given, config):
    function = getattr(target, method)
    try:
        return awaited(function(given, config=config))
    except TypeError as error:
        import inspect

        try:
            inspect.signature(function).bind(given, config=config)
        except TypeError:  # An object of the agent's own whose method has no `config`.
            return awaited(function(given))
        except ValueError:
            pass
        raise error


def ask_any(target, given, config, again):
    if not callable(getattr(target, "invoke", None)):
        return ask(target, "ainvoke", given, config)
    try:
        return ask(target, "invoke", given, config)
    except Exception as error:
        if not (wants_loop(error) and callable(getattr(target, "ainvoke", None))):
            raise
    log("info", "the agent is asynchronous: running it with ainvoke")
    return ask(target, "ainvoke", again(), config)


def shown_text(value):
    return content_text(value) if isinstance(value, (str, list)) and value else text(value)


def content(value):
    if isinstance(value, dict) and "content" in value and "role" in value:
        return shown_text(value["content"])
    return shown_text(value.content) if hasattr(value, "content") else text(value)


def langchain(target, inputs):
    target = resolved(target, ("invoke", "ainvoke"), ("chain", "agent", "runnable", "pipeline"))
    value, _ = settled(ask_any(target, inputs, {"callbacks": [handler]}, lambda: inputs))
    if isinstance(value, dict):
        value = next((value[key] for key in ("output", "text", "result", "generation") if key in value), value)
    return '{"status":"success","output":%s}' % quote(content(value))


def state_of(inputs):
    given = {k: v for k, v in inputs.items() if k not in ("thread_id", "__charm_thread_id__")}
    if "input" in given and "messages" not in given:
        said = text(given.pop("input"))
        try:
            from langchain_core.messages import HumanMessage

            first_message = HumanMessage(content=said)
        except ImportError:
            first_message = {"role": "user", "content": said}
        given = {"messages": [first_message], **given}
    return given


def compiled_graph(target):
    if hasattr(target, "invoke") or not hasattr(target, "compile"):
        return target
    try:
        from langgraph.checkpoint.memory import MemorySaver
    except ImportError:
        return target.compile()
    return target.compile(checkpointer=MemorySaver())


def only_async(graph):
    nodes = getattr(graph, "nodes", None)
    for node in nodes.values() if isinstance(nodes, dict) else ():
        bound = getattr(node, "bound", None)
        if getattr(bound, "func", bound) is None and getattr(bound, "afunc", None) is not None:
            return True
    return False


def state_after(graph, config):
    if getattr(graph, "checkpointer", True) in (None, False) or not hasattr(graph, "get_state"):
        return None
    try:
        return graph.get_state(config)
    except Exception as error:
        if not hasattr(graph, "aget_state"):
            return None
        try:
            return awaited(graph.aget_state(config))
        except Exception:
            log("debug", "the graph's state can't be read: %s" % text(error))


def langgraph(target, inputs):
    if hasattr(target, "compile") and not isinstance(target, type):
        target = compiled_graph(target)
    graph = compiled_graph(resolved(target, ("invoke", "ainvoke", "compile"), ("graph",)))
    thread = inputs.get("thread_id") or inputs.get("__charm_thread_id__") or "default_thread"
    config = {"configurable": {"thread_id": thread}, "recursion_limit": 50, "callbacks": [handler]}
    given = state_of(inputs)

    def again():
        # With a checkpointer the input has been taken in: go on from there instead of giving it twice.
        state = state_after(graph, config)
        return None if getattr(state, "next", None) else given

    if only_async(graph) and hasattr(graph, "ainvoke"):
        value = ask(graph, "ainvoke", given, config)
    else:
        value = ask_any(graph, given, config, again)
    value, _ = settled(value)
    following = getattr(state_after(graph, config), "next", None)
    if not following and isinstance(value, dict) and value.get("__interrupt__"):
        following = ()
    else:
        following = following or None
    return graph_result(graph_output(value), thread, following)


def graph_output(value):
    if isinstance(value, dict):
        if isinstance(value.get("messages"), (list, tuple)) and value["messages"]:
            return content(value["messages"][-1])
        value = value["output"] if "output" in value else value
    return content(value)


def graph_result(output, thread, following):
    step = ""
    if following is not None:
        log("info", "the graph waits before: %s" % ", ".join(map(text, following)))
        step = ',"next_step":' + dump(following)
    status = "success" if following is None else "suspended"
    return '{"status":"%s","output":%s,"thread_id":%s%s,"charm_state":""}' % (status, quote(output), dump(thread), step)


def crewai(target, inputs):
    part("crew")
    crew = resolved(target, ("kickoff", "akickoff", "kickoff_async"), ("crew",))
    ways = [getattr(crew, m) for m in ("kickoff", "akickoff", "kickoff_async") if callable(getattr(crew, m, None))]
    try:
        value = awaited(ways[0](inputs=inputs))
    except RuntimeError as error:
        if len(ways) < 2 or not any(word in text(error) for word in ("asyncio", "event loop", "kickoff_async")):
            raise
        log("info", "the crew is asynchronous: running it with %s" % ways[1].__name__)
        value = awaited(ways[1](inputs=inputs))
    value, _ = settled(value)
    raw = value.raw if hasattr(value, "raw") else value
    return '{"status":"success","output":%s,"charm_state":""}' % (dump(raw) if hasattr(value, "raw") else quote(raw))


ADAPTERS = {"langchain": langchain, "langgraph": langgraph, "crewai": crewai}

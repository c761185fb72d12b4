# What CrewAI says on its event bus: its own models and tools, which know no handlers.
# The one rule: an event is told in the thread and the order in which the crew emits it, and costs the crew nothing else.
# Tokens are not told: they are what the crew's agents say to each other, and a user who had seen them would get no answer.
part("values")
part("handler")


class Answer:
    # Of the shape that `on_llm_end` reads.
    type = "ai"

    def __init__(self, event):
        said = event.response
        asked = said if isinstance(said, list) else getattr(said, "tool_calls", None) or ()
        self.tool_calls = [tool_call(c) for c in asked if isinstance(c, dict) and "function" in c]
        self.content = "" if self.tool_calls else said
        self.usage_metadata = getattr(event, "usage", None)
        self.response_metadata = {"model_name": event.model}


def tool_call(asked):
    function = asked["function"]
    return {"id": asked.get("id"), "name": function.get("name"), "args": function.get("arguments")}


def llm_call_started(source, event):
    start = handler.on_llm_start if isinstance(event.messages, str) else handler.on_chat_model_start
    asked = {name: getattr(event, name, None) for name in ("model", "temperature", "top_p", "max_tokens", "seed")}
    asked.update((name, getattr(event, name, None)) for name in ("frequency_penalty", "presence_penalty"))
    parents[event.event_id] = event.call_id  # A tool within names the event, not the call.
    start(
        {},
        [event.messages or []],
        run_id=event.call_id,
        parent_run_id=event.parent_event_id,
        metadata={"ls_provider": getattr(source, "provider", None)},
        invocation_params=asked,
    )


def llm_call_completed(_, event):
    handler.on_llm_end(Answer(event), run_id=event.call_id)


def llm_call_failed(_, event):
    handler.on_llm_error(event.error, run_id=event.call_id)


def arguments(given):
    # A model that writes its calls as text gives them as JSON.
    if isinstance(given, str):
        from json import loads

        given = attempt(loads, given)
    return given if isinstance(given, dict) else None


def tool_usage_started(_, event):
    handler.on_tool_start(
        {"name": event.tool_name},
        event.tool_args,
        run_id=event.event_id,
        parent_run_id=event.parent_event_id,
        inputs=arguments(event.tool_args),
    )


def tool_usage_finished(_, event):
    handler.on_tool_end(event.output, run_id=started(event))


def tool_usage_error(_, event):
    # Of a tool that is tried again only the first failure ends a call that is open.
    if started(event) in calls:
        handler.on_tool_error(event.error, run_id=started(event))


def started(event):
    return event.started_event_id or event.event_id


TOLD = (
    llm_call_started,
    llm_call_completed,
    llm_call_failed,
    tool_usage_started,
    tool_usage_finished,
    tool_usage_error,
)


def told_by_name(source, event):
    try:
        kind = event.type
        if kind.endswith("_started"):
            parents.setdefault(event.event_id, event.parent_event_id)
        for tell in TOLD:
            if tell.__name__ == kind:
                tell(source, event)
        if event.started_event_id:
            parents.pop(event.started_event_id, None)
    except Exception as error:
        log("debug", "an event of the crew: %s: %s" % (type(error).__name__, text(error)))


def listen():
    # Only where the agent has brought CrewAI along: objects that look like a crew need none of it.
    module = sys.modules.get("crewai.events.event_bus")
    bus = getattr(module, "crewai_event_bus", None)
    if bus is None:
        return
    emit_plain, emit_async = bus.emit, getattr(bus, "aemit", None)

    # Handlers of the bus run in threads of their own, in no order; this runs where the crew emits.
    def emit_told(source, event, *more, **named):
        done = emit_plain(source, event, *more, **named)
        told_by_name(source, event)
        return done

    async def aemit_told(source, event, *more, **named):
        await emit_async(source, event, *more, **named)
        told_by_name(source, event)

    bus.emit = emit_told
    if emit_async is not None:
        bus.aemit = aemit_told


listen()

# The hooks that LangChain calls: models, chains, retrievers.
# The one rule: a hook reports what it was given and never imports LangChain.


def added(hook):
    setattr(Handler, hook.__name__, guarded(hook))


ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def message(m):
    # One that cannot be asked is told by its text.
    shaped = attempt(shaped_message, m)
    return text(m) if shaped is None else shaped


def shaped_message(m):
    if isinstance(m, (str, dict)):
        return m
    if isinstance(m, (list, tuple)) and len(m) == 2 and isinstance(m[0], str):
        return {"role": ROLES.get(m[0], m[0]), "content": m[1]}
    kind = getattr(m, "type", None)
    if kind is None:
        return text(m)
    shaped = {"role": ROLES.get(kind, getattr(m, "role", None) or kind), "content": getattr(m, "content", None)}
    if getattr(m, "tool_calls", None):
        shaped["tool_calls"] = [{k: c.get(k) for k in ("id", "name", "args")} for c in m.tool_calls]
    for key in ("name", "tool_call_id"):
        if getattr(m, key, None):
            shaped[key] = getattr(m, key)
    return shaped


def field(name, value):
    return "" if value in (None, "") else ',"%s":%s' % (name, quote(value))


def first(source, *names):
    for name in names:
        if isinstance(source, dict) and source.get(name):
            return source[name]


WHOLE = {"max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"), "top_k": ("top_k",), "seed": ("seed",)}


def parameters(metadata, *sources):
    told = {}
    for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", *WHOLE):
        kind = int if name in WHOLE else (int, float)
        values = [first_of(source, *WHOLE.get(name, (name,))) for source in sources]
        for value in (first_of(metadata, "ls_" + name), *values):
            if isinstance(value, kind) and not isinstance(value, bool) and abs(value) < 2**63:
                if name not in WHOLE or value >= 0:
                    told[name] = value
                break
    return told


def first_of(source, *names):
    # Unlike `first` it takes a zero.
    for name in names:
        if isinstance(source, dict) and source.get(name) is not None:
            return source[name]


def llm_start(serialized, given, run_id, parent_run_id, metadata, invocation_params, kwargs):
    head = opened("llm", "", run_id, parent_run_id)
    told = attempt(asked_of, serialized, metadata, invocation_params, kwargs) or ""
    emit("llm_start", head + told + json_field("input", given))


def asked_of(serialized, metadata, invocation_params, kwargs):
    params = invocation_params or kwargs.get("kwargs") or {}
    inner = first(serialized, "kwargs")
    names = ("model", "model_name", "model_id", "deployment_name")
    model = first(metadata, "ls_model_name") or first(params, *names) or first(inner, *names)
    path = first(serialized, "id")
    provider = first(metadata, "ls_provider") or first(params, "_type") or (path[0] if path else None)
    asked = attempt(parameters, metadata, params, inner)
    return field("model", model) + field("provider", provider) + (json_field("parameters", asked) if asked else "")


@added
def on_chat_model_start(
    self, serialized=None, messages=None, *, run_id=None, parent_run_id=None, metadata=None, invocation_params=None, **kw
):
    batch = messages or []
    batch = batch[0] if batch and isinstance(batch[0], (list, tuple)) else batch
    llm_start(serialized, [message(m) for m in batch], run_id, parent_run_id, metadata, invocation_params, kw)


@added
def on_llm_start(
    self, serialized=None, prompts=None, *, run_id=None, parent_run_id=None, metadata=None, invocation_params=None, **kw
):
    prompts = prompts[0] if isinstance(prompts, (list, tuple)) and len(prompts) == 1 else prompts
    llm_start(serialized, prompts, run_id, parent_run_id, metadata, invocation_params, kw)


def usage_of(response, answer):
    got = getattr(answer, "usage_metadata", None) or {}
    if not isinstance(got, dict):
        got = {}
    if not got:
        source = getattr(response, "llm_output", None)
        source = source if isinstance(source, dict) else {}
        got = first(source, "token_usage", "usage", "usage_metadata")
        got = got or first(getattr(answer, "response_metadata", None), "token_usage", "usage")
        got = got if isinstance(got, dict) else {}
    usage = {}
    for name, *others in (
        ("input_tokens", "prompt_tokens", "input_token_count", "prompt_token_count"),
        ("output_tokens", "completion_tokens", "generated_token_count", "candidates_token_count"),
        ("total_tokens", "total_token_count"),
        ("cache_read", "cache_read_input_tokens"),
        ("cache_creation", "cache_creation_input_tokens"),
    ):
        for key in (name, *others):
            if isinstance(got.get(key), int):
                usage[name] = got[key]
                break
    for details in ("input_token_details", "output_token_details", "prompt_tokens_details", "completion_tokens_details"):
        for key, value in (got.get(details) or {}).items() if isinstance(got.get(details), dict) else ():
            name = {"cached_tokens": "cache_read", "reasoning_tokens": "reasoning"}.get(key, key)
            if isinstance(value, int) and name in ("cache_read", "cache_creation", "reasoning"):
                usage[name] = value
    if "cache_read_input_tokens" in got or "cache_creation_input_tokens" in got:
        # Anthropic's own names: there the cache is counted besides the input, everywhere else within it.
        usage["input_tokens"] = sum(usage.get(name, 0) for name in ("input_tokens", "cache_read", "cache_creation"))
    if "total_tokens" not in usage and {"input_tokens", "output_tokens"} <= set(usage):
        usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
    return usage


def model_of(response, answer):
    meta = getattr(answer, "response_metadata", None)
    return first(getattr(response, "llm_output", None), "model_name", "model") or first(meta, "model_name", "model")


def why_ended(answer, generation):
    names = ("finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason")
    told = (getattr(answer, "response_metadata", None), getattr(generation, "generation_info", None))
    return first(told[0], *names) or first(told[1], *names)


@added
def on_llm_end(self, response=None, *, run_id=None, **_):
    call, _ = closed("llm", run_id)
    body, output, answer, generation = call, response, None, None
    try:
        generation = response.generations[0][0]
        answer = getattr(generation, "message", None)
        output = message(answer) if answer is not None else generation.text
    except IndexError:
        output = None  # An answer of which only its size is known.
    except Exception:
        if attempt(hasattr, response, "content"):
            output = message(response)
            answer = response
    model = attempt(model_of, response, answer)
    usage = attempt(usage_of, response, answer)
    why = attempt(why_ended, answer, generation)
    if why and isinstance(output, dict):
        output = dict(output, finish_reason=why)
    if output is not None:
        body += json_field("output", output)
    body += field("model", model)
    emit("llm_end", body + (json_field("usage", usage) if usage else ""))


@added
def on_llm_error(self, error=None, *, run_id=None, **_):
    call, _ = closed("llm", run_id)
    emit("llm_error", call + "," + wrong(error))


@added
def on_chain_start(self, serialized=None, inputs=None, *, run_id=None, parent_run_id=None, **_):
    if run_id is not None:
        parents[str(run_id)] = parent_run_id


@added
def on_chain_end(self, outputs=None, *, run_id=None, **_):
    parents.pop(str(run_id), None)


@added
def on_chain_error(self, error=None, *, run_id=None, **_):
    parents.pop(str(run_id), None)


@added
def on_retriever_start(self, serialized=None, query="", *, run_id=None, parent_run_id=None, name=None, **_):
    path = attempt(first, serialized, "id")
    name = name_of(serialized, name or (path[-1] if path else None), "Unknown Retriever")
    head = opened("retriever", name, run_id, parent_run_id)
    emit("retriever_start", '%s,"name":%s,"query":%s' % (head, brief(name), brief(query)))


@added
def on_retriever_end(self, documents=None, *, run_id=None, **_):
    call, name = closed("retriever", run_id)
    shaped = attempt(shaped_documents, documents)
    told = json_field("documents", documents if shaped is None else shaped) or ',"documents":null'
    emit("retriever_end", '%s,"name":%s%s' % (call, quote(name), told))


def shaped_documents(documents):
    shaped = []
    for d in documents or ():
        keys = ("page_content", "metadata", "id")
        shaped.append({k: getattr(d, k) for k in keys if getattr(d, k, None)} if hasattr(d, "page_content") else d)
    return shaped


@added
def on_retriever_error(self, error=None, *, run_id=None, **_):
    call, name = closed("retriever", run_id)
    emit("retriever_error", '%s,"name":%s,%s' % (call, quote(name), wrong(error)))


for flag in ("agent", "chain", "chat_model", "llm", "retriever"):
    setattr(Handler, "ignore_" + flag, False)
for flag in ("retry", "custom_event"):
    setattr(Handler, "ignore_" + flag, True)
Handler.raise_error = False
Handler.run_inline = True  # In the order and the thread of the agent, also under asyncio: a hook takes microseconds.
part("values")

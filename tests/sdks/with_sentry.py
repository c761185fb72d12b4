"""The story, told to Sentry by hand with `sentry_sdk`, with the names that its guide for agents has today.

The argument is the way in which spans are sent: `stream` or `static`.
"""

import contextlib
import json
import sys
import time

import sentry_sdk
from sentry_sdk.consts import SPANDATA
from sentry_sdk.integrations.stdlib import StdlibIntegration

from story import ANSWER, CALLS, FAILING_INPUTS, FIRST, FIRST_TEXT, INPUTS, SEARCH, STORY, TOOLS, call_model, search

STREAM = sys.argv[1] == "stream"
sentry_sdk.init(
    traces_sample_rate=1.0,
    send_default_pii=True,
    auto_enabling_integrations=False,
    disabled_integrations=[StdlibIntegration()],  # It makes spans of the SDK's own requests.
    stream_gen_ai_spans=False,
    trace_lifecycle=sys.argv[1],
)


@contextlib.contextmanager
def span(operation, what, root=False, op=None):
    op, name = op or "gen_ai." + operation, "%s %s" % (operation, what)
    if STREAM:
        top = {"parent_span": None} if root else {}
        with sentry_sdk.traces.start_span(name=name, attributes={"sentry.op": op}, **top) as made:
            named(made, op, operation)
            yield made
    else:
        start = sentry_sdk.start_transaction if root else sentry_sdk.start_span
        with start(op=op, name=name) as made:
            named(made, op, operation)
            yield made


def named(made, op, operation):
    if op.startswith("gen_ai."):
        put(made, SPANDATA.GEN_AI_OPERATION_NAME, operation)


def put(made, key, value):
    value = value if isinstance(value, (str, int, float)) else json.dumps(value)
    (made.set_attribute if STREAM else made.set_data)(key, value)


def text(role, content):
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def about(made):
    put(made, SPANDATA.GEN_AI_AGENT_NAME, STORY["agent"])
    put(made, SPANDATA.GEN_AI_CONVERSATION_ID, STORY["thread"])


@contextlib.contextmanager
def model_call(messages):
    with span("chat", STORY["model"]) as made:
        about(made)
        put(made, SPANDATA.GEN_AI_PROVIDER_NAME, STORY["provider"])
        put(made, SPANDATA.GEN_AI_REQUEST_MODEL, STORY["model"])
        put(made, SPANDATA.GEN_AI_REQUEST_TEMPERATURE, STORY["temperature"])
        put(made, SPANDATA.GEN_AI_REQUEST_MAX_TOKENS, STORY["max_tokens"])
        put(made, SPANDATA.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": STORY["system"]}])
        put(made, SPANDATA.GEN_AI_INPUT_MESSAGES, messages)
        yield made


def answered(made, message, told, first=None):
    usage = told["usage"]
    put(made, SPANDATA.GEN_AI_RESPONSE_MODEL, STORY["model"])
    put(made, SPANDATA.GEN_AI_RESPONSE_FINISH_REASONS, told["finish_reason"])
    put(made, SPANDATA.GEN_AI_RESPONSE_STREAMING, first is not None)
    if first is not None:
        put(made, SPANDATA.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, first)
    put(made, SPANDATA.GEN_AI_OUTPUT_MESSAGES, [message])
    put(made, SPANDATA.GEN_AI_USAGE_INPUT_TOKENS, usage["input"])
    put(made, SPANDATA.GEN_AI_USAGE_OUTPUT_TOKENS, usage["output"])
    put(made, SPANDATA.GEN_AI_USAGE_TOTAL_TOKENS, usage["input"] + usage["output"])
    put(made, SPANDATA.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage["cache_read"])
    put(made, SPANDATA.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, usage["cache_write"])
    put(made, SPANDATA.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, usage["reasoning"])


MADE = [{"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]} for call in CALLS]


def good():
    with span("invoke_agent", STORY["agent"], root=True) as run:
        about(run)
        messages = [text("user", STORY["question"])]
        put(run, SPANDATA.GEN_AI_INPUT_MESSAGES, messages)
        with span("retrieve", SEARCH["name"], op="retrieval") as made:
            about(made)
            put(made, "gen_ai.retrieval.query.text", SEARCH["query"])
            put(made, "gen_ai.retrieval.documents", search(SEARCH["query"]))
        with model_call(messages) as made:
            began = time.monotonic()
            said = text("assistant", FIRST_TEXT)
            said["parts"] += MADE
            answered(made, said, FIRST, time.monotonic() - began)
        messages = messages + [said]
        for call, act in zip(CALLS, TOOLS):
            try:
                with span("execute_tool", call["name"]) as made:
                    about(made)
                    put(made, SPANDATA.GEN_AI_TOOL_NAME, call["name"])
                    put(made, SPANDATA.GEN_AI_TOOL_CALL_ARGUMENTS, call["args"])
                    try:
                        result = act(**call["args"])
                    except ValueError as error:
                        sentry_sdk.capture_exception(error)
                        raise
                    put(made, SPANDATA.GEN_AI_TOOL_CALL_RESULT, result)
            except ValueError as error:
                result = str(error)
            told = {"type": "tool_call_response", "id": call["id"], "result": result}
            messages = messages + [{"role": "tool", "parts": [told]}]
        with model_call(messages) as made:
            said = text("assistant", ANSWER["text"])
            answered(made, said, ANSWER)
        put(run, SPANDATA.GEN_AI_OUTPUT_MESSAGES, [said])


def bad():
    with span("invoke_agent", STORY["agent"], root=True) as run:
        about(run)
        messages = [text("user", STORY["failing_question"])]
        put(run, SPANDATA.GEN_AI_INPUT_MESSAGES, messages)
        with model_call(messages):
            try:
                call_model(STORY["failing_question"])
            except RuntimeError as error:
                sentry_sdk.capture_exception(error)
                raise


good()
try:
    bad()
except RuntimeError:
    pass
sentry_sdk.flush()

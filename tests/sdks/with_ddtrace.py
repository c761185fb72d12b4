"""The story, told to Datadog by hand with `ddtrace`, as its guide for manual instrumentation has it."""

import json
import time

from ddtrace.llmobs import LLMObs

from story import ANSWER, CALLS, FAILING_INPUTS, FIRST, FIRST_TEXT, INPUTS, SEARCH, STORY, TOOLS, call_model


def asked(question):
    return [{"role": "system", "content": STORY["system"]}, {"role": "user", "content": question}]


def metrics(usage, first=None):
    told = {
        "input_tokens": usage["input"],
        "output_tokens": usage["output"],
        "total_tokens": usage["input"] + usage["output"],
        "cache_read_input_tokens": usage["cache_read"],
        "cache_write_input_tokens": usage["cache_write"],
        "reasoning_output_tokens": usage["reasoning"],
    }
    return told if first is None else {**told, "time_to_first_token": first}


def model_call():
    return LLMObs.llm(model_name=STORY["model"], name=STORY["model"], model_provider=STORY["provider"])


PARAMETERS = {"temperature": STORY["temperature"], "max_tokens": STORY["max_tokens"]}
MADE = [
    {"name": call["name"], "arguments": call["args"], "tool_id": call["id"], "type": "function"} for call in CALLS
]


def good():
    with LLMObs.agent(name=STORY["agent"], session_id=STORY["thread"]):
        with LLMObs.retrieval(name=SEARCH["name"]):
            LLMObs.annotate(input_data=SEARCH["query"], output_data=SEARCH["found"])
        messages = asked(STORY["question"])
        with model_call():
            began = time.monotonic()
            said = {"role": "assistant", "content": FIRST_TEXT, "tool_calls": MADE}
            LLMObs.annotate(
                input_data=messages,
                output_data=[said],
                metadata=PARAMETERS,
                metrics=metrics(FIRST["usage"], time.monotonic() - began),
            )
        messages = messages + [said]
        for call, act in zip(CALLS, TOOLS):
            try:
                with LLMObs.tool(name=call["name"]):
                    LLMObs.annotate(input_data=call["args"])
                    result = act(**call["args"])
                    LLMObs.annotate(output_data=result)
            except ValueError as error:
                result = str(error)
            told = {"name": call["name"], "result": result, "tool_id": call["id"], "type": "tool_result"}
            messages = messages + [{"role": "tool", "content": "", "tool_results": [told]}]
        with model_call():
            said = [{"role": "assistant", "content": ANSWER["text"]}]
            LLMObs.annotate(
                input_data=messages, output_data=said, metadata=PARAMETERS, metrics=metrics(ANSWER["usage"])
            )
        LLMObs.annotate(input_data=INPUTS["input"], output_data=ANSWER["text"])


def bad():
    with LLMObs.agent(name=STORY["agent"], session_id=STORY["thread"]):
        LLMObs.annotate(input_data=FAILING_INPUTS["input"])
        with model_call():
            LLMObs.annotate(input_data=asked(STORY["failing_question"]), metadata=PARAMETERS)
            call_model(STORY["failing_question"])


LLMObs.enable()
good()
try:
    bad()
except RuntimeError:
    pass
LLMObs.flush()

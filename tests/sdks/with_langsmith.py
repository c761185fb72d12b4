"""The story, told to LangSmith by hand with `traceable`, as its guide has it."""

from langsmith import Client, get_current_run_tree, traceable

from story import ANSWER, CALLS, FAILING_INPUTS, FIRST, FIRST_TEXT, INPUTS, SEARCH, STORY, TOOLS, call_model, search

METADATA = {
    "ls_provider": STORY["provider"],
    "ls_model_name": STORY["model"],
    "ls_model_type": "chat",
    "ls_temperature": STORY["temperature"],
    "ls_max_tokens": STORY["max_tokens"],
}


def usage(told):
    return {
        "input_tokens": told["input"],
        "output_tokens": told["output"],
        "total_tokens": told["input"] + told["output"],
        "input_token_details": {"cache_read": told["cache_read"], "cache_creation": told["cache_write"]},
        "output_token_details": {"reasoning": told["reasoning"]},
    }


def asked(question):
    return [{"role": "system", "content": STORY["system"]}, {"role": "user", "content": question}]


def joined(pieces):
    said = {"role": "assistant", "content": "".join(pieces), "tool_calls": CALLS}
    return {**said, "usage_metadata": usage(FIRST["usage"])}


@traceable(run_type="llm", name=STORY["model"], metadata=METADATA, reduce_fn=joined)
def stream(messages):
    yield from FIRST["pieces"]


@traceable(run_type="llm", name=STORY["model"], metadata=METADATA)
def invoke(messages):
    call_model(messages[1]["content"])
    return {"role": "assistant", "content": ANSWER["text"], "usage_metadata": usage(ANSWER["usage"])}


look_up = traceable(search, run_type="retriever", name=SEARCH["name"])
ACTS = [traceable(act, run_type="tool", name=act.__name__) for act in TOOLS]


def agent(input, thread_id):
    messages = asked(input)
    if input == STORY["failing_question"]:
        return invoke(messages)["content"]
    look_up(SEARCH["query"])
    pieces = list(stream(messages))
    messages = messages + [{"role": "assistant", "content": "".join(pieces), "tool_calls": CALLS}]
    for call, act in zip(CALLS, ACTS):
        try:
            result = act(**call["args"])
        except ValueError as error:
            result = str(error)
        told = {"role": "tool", "content": result, "name": call["name"], "tool_call_id": call["id"]}
        messages = messages + [told]
    return invoke(messages)["content"]


METADATA_OF_RUN = {"thread_id": STORY["thread"], "ls_agent_type": "root"}
agent = traceable(agent, run_type="chain", name=STORY["agent"], metadata=METADATA_OF_RUN)
client = Client()
agent(**INPUTS, langsmith_extra={"client": client})
try:
    agent(**FAILING_INPUTS, langsmith_extra={"client": client})
except RuntimeError:
    pass
client.flush()

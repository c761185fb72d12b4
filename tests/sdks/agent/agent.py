"""The agent of the story, on LangChain. Nothing here knows of the runner or of telemetry."""

import json
import pathlib

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

STORY = json.loads(pathlib.Path(__file__).with_name("story.json").read_text())


def usage(told):
    return {
        "input_tokens": told["input"],
        "output_tokens": told["output"],
        "total_tokens": told["input"] + told["output"],
        "input_token_details": {"cache_read": told["cache_read"], "cache_creation": told["cache_write"]},
        "output_token_details": {"reasoning": told["reasoning"]},
    }


class Model(BaseChatModel):
    """Says what the story has."""

    model: str = STORY["model"]
    temperature: float = STORY["temperature"]
    max_tokens: int = STORY["max_tokens"]

    @property
    def _llm_type(self):
        return STORY["provider"]

    @property
    def _identifying_params(self):
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop=None, **kwargs):
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_provider": STORY["provider"]}

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        if messages[1].content == STORY["failing_question"]:
            raise RuntimeError(STORY["failure"])
        answer = STORY["answer"]
        ended = {"finish_reason": answer["finish_reason"]}
        message = AIMessage(answer["text"], usage_metadata=usage(answer["usage"]), response_metadata=ended)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for piece in STORY["first"]["pieces"]:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        first = STORY["first"]
        ended = {"finish_reason": first["finish_reason"]}
        last = AIMessageChunk(
            "", usage_metadata=usage(first["usage"]), tool_calls=first["calls"], response_metadata=ended
        )
        yield ChatGenerationChunk(message=last)


class Guide(BaseRetriever):
    """Finds what the story has."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [
            Document(one["text"], metadata={"source": one["name"], "score": one["score"]}, id=one["id"])
            for one in STORY["search"]["found"]
        ]


@tool
def get_weather(city: str) -> str:
    """How it is out there."""
    return STORY["weather"]


@tool
def get_alerts(city: str) -> str:
    """What to beware of."""
    raise ValueError(STORY["alerts_error"])


def answer(inputs, config):
    model = Model()
    messages = [SystemMessage(STORY["system"]), HumanMessage(inputs["input"])]
    if inputs["input"] == STORY["failing_question"]:
        return model.invoke(messages, config=config).content
    Guide().invoke(STORY["search"]["query"], config=config)
    chunks = list(model.stream(messages, config=config))
    said = chunks[0]
    for chunk in chunks[1:]:
        said += chunk
    messages.append(said)
    for call, act in zip(STORY["first"]["calls"], (get_weather, get_alerts)):
        try:
            result = act.invoke(call["args"], config=config)
        except ValueError as error:
            result = str(error)
        messages.append(ToolMessage(result, tool_call_id=call["id"], name=call["name"]))
    return model.invoke(messages, config=config).content


chain = RunnableLambda(answer)

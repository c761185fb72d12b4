"""A chat model that follows a script, so that the example needs no key and no network.

Replace it with a real one: `ChatOpenAI(model=..., streaming=True).bind_tools(tools)`.
"""

import re
import time

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

WORDS = {"42": "forty-two"}


class ScriptedModel(BaseChatModel):
    """Calls two tools, then answers with what they said."""

    # A model that is made with `streaming=True` is streamed, and the handlers hear of every token.
    streaming: bool = False

    @property
    def _llm_type(self):
        return "scripted"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.next_message(messages))])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        message = self.next_message(messages)
        if message.tool_calls:
            yield self.chunk(AIMessageChunk(content="", tool_calls=message.tool_calls), run_manager)
        for piece in re.findall(r"\S+\s*", message.content):
            time.sleep(0.03)
            yield self.chunk(AIMessageChunk(content=piece), run_manager)
        usage = {"input_tokens": 20, "output_tokens": 8, "total_tokens": 28}
        yield self.chunk(AIMessageChunk(content="", usage_metadata=usage), run_manager)

    @staticmethod
    def chunk(message, run_manager):
        chunk = ChatGenerationChunk(message=message)
        if run_manager and message.content:
            run_manager.on_llm_new_token(message.content, chunk=chunk)
        return chunk

    @staticmethod
    def next_message(messages):
        """The script: what comes next depends on how many tools have answered."""
        results = [message.content for message in messages if isinstance(message, ToolMessage)]
        numbers = [int(number) for number in re.findall(r"\d+", messages[0].content)][:2] or [6, 7]
        a, b = (numbers + [7])[:2]
        if not results:
            return AIMessage("", tool_calls=[{"name": "multiply", "args": {"a": a, "b": b}, "id": "call-1"}])
        if len(results) == 1:
            return AIMessage("", tool_calls=[{"name": "spell", "args": {"number": results[0]}, "id": "call-2"}])
        return AIMessage(f"{a} times {b} is {results[0]}, in words: {results[1]} ✨")

"""A real crew whose model streams its answer."""

from crewai import Agent, BaseLLM, Crew, Task
from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import llm_call_context


class Scripted(BaseLLM):
    """Streams one answer, with the events that the models of CrewAI emit."""

    def call(self, messages, tools=None, callbacks=None, available_functions=None, from_task=None, from_agent=None, **_):
        pieces = ["Final ", "Answer: ", "It is ", "cloudy."]
        with llm_call_context():
            self._emit_call_started_event(messages, from_task=from_task, from_agent=from_agent)
            for piece in pieces:
                self._emit_stream_chunk_event(piece, from_task, from_agent)
            self._emit_call_completed_event("".join(pieces), LLMCallType.LLM_CALL, from_task, from_agent, messages)
        return "".join(pieces)

    def supports_function_calling(self):
        return False

    def get_context_window_size(self):
        return 8192


watcher = Agent(
    role="Watcher",
    goal="Tell the weather",
    backstory="Looks out of the window",
    llm=Scripted(model="scripted-1", stream=True),
)
question = Task(description="What is the weather in {input}?", expected_output="a sentence", agent=watcher)
crew = Crew(agents=[watcher], tasks=[question])

"""A real crew: its model asks for a tool that fails, for one that answers, and then answers itself."""

from crewai import Agent, BaseLLM, Crew, Task
from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import llm_call_context
from crewai.tools import tool

ANSWERS = [
    'Thought: first the map.\nAction: find_place\nAction Input: {"name": "Oslo"}',
    'Thought: then the sky.\nAction: get_weather\nAction Input: {"city": "Oslo"}',
    "Thought: I know it.\nFinal Answer: It is cloudy in Oslo.",
]


class Scripted(BaseLLM):
    """Says its answers in turn, with the events that the models of CrewAI emit."""

    answers: list = ANSWERS

    def call(self, messages, tools=None, callbacks=None, available_functions=None, from_task=None, from_agent=None, **_):
        said = sum(message["role"] == "assistant" for message in messages)
        with llm_call_context():
            self._emit_call_started_event(messages, from_task=from_task, from_agent=from_agent)
            answer = self.answers[said]
            usage = {"prompt_tokens": 10 + said, "completion_tokens": 5}
            self._emit_call_completed_event(answer, LLMCallType.LLM_CALL, from_task, from_agent, messages, usage)
        return answer

    def supports_function_calling(self):
        return False

    def get_context_window_size(self):
        return 8192


@tool("find_place")
def find_place(name: str) -> str:
    """Finds a place."""
    raise ValueError(f"no map of {name}")


@tool("get_weather")
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"cloudy in {city}"


watcher = Agent(
    role="Watcher",
    goal="Tell the weather",
    backstory="Looks out of the window",
    llm=Scripted(model="scripted-1", temperature=0.5),
    tools=[find_place, get_weather],
)
question = Task(description="What is the weather in {input}?", expected_output="a sentence", agent=watcher)
crew = Crew(agents=[watcher], tasks=[question])

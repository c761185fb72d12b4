"""Tools with the handlers of the run, one inside the other, and one that fails."""

from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool


@tool
def population(city: str) -> str:
    """How many people live there."""
    return "709,000"


@tool
def describe(city: str, config: dict = None) -> str:
    """A sentence about a city."""
    return f"{city} has {population.invoke({'city': city})} people"


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"no such city: {city}")


def answer(inputs, config):
    text = describe.invoke({"city": inputs["input"]}, config=config)
    try:
        broken.invoke({"city": inputs["input"]}, config=config)
    except LookupError as error:
        text += f"; {error}"
    return {"output": text}


chain = RunnableLambda(answer)

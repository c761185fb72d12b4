"""A ReAct agent in LangGraph: the model thinks, tools act, until the model has an answer.

Nothing here knows of the runner: LangGraph hands the runner's handler to the model and to the tools by itself.
"""

from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from scripted_model import WORDS, ScriptedModel


@tool
def multiply(a: int, b: int) -> int:
    """The product of two numbers."""
    return a * b


@tool
def spell(number: str) -> str:
    """A number in words."""
    return WORDS.get(number, f"the number {number}")


model = ScriptedModel(streaming=True)


def think(state: MessagesState):
    return {"messages": [model.invoke(state["messages"])]}


graph = StateGraph(MessagesState)
graph.add_node("think", think)
graph.add_node("tools", ToolNode([multiply, spell]))
graph.add_edge(START, "think")
graph.add_conditional_edges("think", tools_condition)
graph.add_edge("tools", "think")

# The checkpointer keeps the conversation of a thread; without one the agent answers each question afresh.
agent = graph.compile(checkpointer=InMemorySaver())

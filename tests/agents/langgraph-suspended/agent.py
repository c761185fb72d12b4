"""Stops before the tool, to ask a person."""

import operator
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode


@tool
def multiply(a: int, b: int) -> int:
    """The product."""
    return a * b


class State(TypedDict):
    messages: Annotated[list[AnyMessage], operator.add]


def think(state):
    if len(state["messages"]) == 1:
        calls = [{"name": "multiply", "args": {"a": 6, "b": 7}, "id": "call-1"}]
        return {"messages": [AIMessage(content="", tool_calls=calls)]}
    return {"messages": [AIMessage(content=f"It is {state['messages'][-1].content}.")]}


def route(state):
    return "tools" if state["messages"][-1].tool_calls else END


graph = StateGraph(State)
graph.add_node("think", think)
graph.add_node("tools", ToolNode([multiply]))
graph.add_edge(START, "think")
graph.add_conditional_edges("think", route)
graph.add_edge("tools", "think")
agent = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["tools"])

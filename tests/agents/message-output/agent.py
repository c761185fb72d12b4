"""A message as the result: its content is what is meant."""

from langchain_core.messages import AIMessage


def run(input):
    return AIMessage(input)

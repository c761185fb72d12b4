"""An exception in the middle of a chain."""

from langchain_core.runnables import RunnableLambda


def fail(inputs):
    raise ValueError("the chain broke")


chain = RunnableLambda(fail)

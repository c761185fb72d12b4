"""An object whose chain is in `.chain`."""

from langchain_core.runnables import RunnableLambda


class Holder:
    chain = RunnableLambda(lambda inputs: {"text": f"from the chain: {inputs['input']}"})


holder = Holder()

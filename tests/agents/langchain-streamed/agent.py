"""The chain streams its model inside, so tokens reach the handlers."""

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

model = GenericFakeChatModel(messages=iter([AIMessage(content="A scripted answer in pieces")]))


def answer(inputs, config):
    return "".join(chunk.content for chunk in model.stream(inputs["input"], config=config))


chain = RunnableLambda(answer)

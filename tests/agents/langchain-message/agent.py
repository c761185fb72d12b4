"""The result is a message: its content is the output."""

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

model = RunnableLambda(lambda inputs: inputs["input"]) | FakeListChatModel(responses=["The content"])

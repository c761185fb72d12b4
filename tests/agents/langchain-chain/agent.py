"""A prompt, a scripted model that doesn't stream, and a parser."""

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

prompt = ChatPromptTemplate.from_messages([("system", "Answer briefly."), ("human", "{input}")])
chain = prompt | FakeListChatModel(responses=["A scripted answer, ü"]) | StrOutputParser()

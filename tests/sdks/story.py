"""What the scripts for the SDKs share: the story, and its messages in the shape that most SDKs take."""

import json
import pathlib

STORY = json.loads(pathlib.Path(__file__).with_name("story.json").read_text())
SEARCH = STORY["search"]
FIRST, ANSWER, CALLS = STORY["first"], STORY["answer"], STORY["first"]["calls"]
INPUTS = {"input": STORY["question"], "thread_id": STORY["thread"]}
FAILING_INPUTS = {"input": STORY["failing_question"], "thread_id": STORY["thread"]}
FIRST_TEXT = "".join(FIRST["pieces"])


def get_weather(city):
    return STORY["weather"]


def get_alerts(city):
    raise ValueError(STORY["alerts_error"])


TOOLS = (get_weather, get_alerts)


def search(query):
    return [
        {"page_content": one["text"], "metadata": {"source": one["name"], "score": one["score"]}, "id": one["id"]}
        for one in SEARCH["found"]
    ]


def call_model(question):
    if question == STORY["failing_question"]:
        raise RuntimeError(STORY["failure"])

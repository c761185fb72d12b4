"""A scripted weather assistant: what an agent's events look like, with nothing but the standard library.

A real agent would ask a model and call tools; a framework such as LangChain would then tell the handlers in
`callbacks` what happens. This one tells them itself, so each event can be traced to one line below.
"""

import random
import re
import time
import uuid

PLACES = {"Oslo": (59.91, 10.75), "Zürich": (47.38, 8.54), "Lagos": (6.46, 3.39), "Lima": (-12.05, -77.04)}
SKIES = ["☀️ sunny", "🌤️ fair", "☁️ cloudy", "🌧️ rainy"]


def answer(input, callbacks):
    """The entry point: `input` is the user's text, `callbacks` are the handlers to tell."""
    events = Events(callbacks)
    print(f"Question: {input}")  # Any print becomes a `thinking` event.
    city = city_in(input)
    forecast = get_forecast(events, city)
    events.action("pick_clothes", {"forecast": forecast})
    clothes = pick_clothes(events, forecast)
    return stream(events, f"{city} is {forecast}. Take {clothes}, and enjoy your day — ha det bra! 👋")


def city_in(question):
    """The word after "in", or the last one that starts with a capital."""
    match = re.search(r"\bin\s+(\w+)", question) or re.search(r"([A-ZÀ-Þ]\w+)\W*$", question)
    return match.group(1).capitalize() if match else "Oslo"


# Two tools. The first calls a third one: `parent` tells which call it belongs to.


def get_forecast(events, city):
    call = events.tool_start("get_forecast", f"city: {city}")
    latitude, longitude = locate(events, city, parent=call)
    time.sleep(0.1)
    # Made up, but the same for a place whenever you ask.
    sky = random.Random(f"{city} {longitude}").choice(SKIES)
    forecast = f"{sky}, {round(30 - abs(latitude) / 3)} °C"
    events.tool_end(call, forecast)
    return forecast


def locate(events, city, parent):
    call = events.tool_start("locate", city, parent=parent)
    time.sleep(0.1)
    latitude, longitude = PLACES.get(city, (0.0, 0.0))
    events.tool_end(call, f"{latitude}° N, {longitude}° E")
    return latitude, longitude


def pick_clothes(events, forecast):
    call = events.tool_start("pick_clothes", forecast)
    time.sleep(0.1)
    clothes = "an umbrella ☂️" if "rain" in forecast else "a light jacket 🧥"
    events.tool_end(call, clothes)
    return clothes


def stream(events, text):
    """Says `text` word by word, as a model would."""
    call = events.llm_start("scripted-1", "Sum up the weather.")
    tokens = re.findall(r"\S+\s*", text)
    for token in tokens:
        time.sleep(0.03)
        events.token(call, token)
    events.llm_end(call, "scripted-1", prompt_tokens=12, completion_tokens=len(tokens))
    return text


class Events:
    """Tells every handler what happens, in the words of LangChain's callbacks."""

    def __init__(self, handlers):
        self.handlers = handlers

    def tool_start(self, name, text, parent=None):
        call = uuid.uuid4()
        self.tell("on_tool_start", {"name": name}, text, run_id=call, parent_run_id=parent)
        return call

    def tool_end(self, call, output):
        self.tell("on_tool_end", output, run_id=call)

    def action(self, tool, tool_input):
        self.tell("on_agent_action", Action(tool, tool_input), run_id=uuid.uuid4())

    def llm_start(self, model, prompt):
        call = uuid.uuid4()
        self.tell("on_llm_start", {"name": model}, [prompt], run_id=call)
        return call

    def token(self, call, token):
        self.tell("on_llm_new_token", token, run_id=call)

    def llm_end(self, call, model, **usage):
        self.tell("on_llm_end", Response({"model_name": model, "token_usage": usage}), run_id=call)

    def tell(self, hook, *args, **kwargs):
        for handler in self.handlers:
            # Not every handler has every hook.
            method = getattr(handler, hook, None)
            if method:
                method(*args, **kwargs)


class Action:
    """What an agent decided to do next."""

    def __init__(self, tool, tool_input):
        self.tool, self.tool_input = tool, tool_input


class Response:
    """The end of a model's answer: which model, and how many tokens it took."""

    def __init__(self, llm_output):
        self.llm_output, self.generations = llm_output, []

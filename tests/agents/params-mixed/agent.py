"""A named parameter, the handlers, and the rest of the inputs."""


def run(city, callbacks, **rest):
    return f"{city}; {len(callbacks) > 0}; {sorted(rest)}"

"""The entry point is a class: it has to be instantiated first."""


class Agent:
    def run(self, input):
        return f"ran with {input}"

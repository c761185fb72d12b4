"""The entry point is a class: it has to be instantiated first."""


class Agent:
    def __init__(self):
        self.greeting = "hello"

    def invoke(self, inputs):
        return f"{self.greeting} {inputs['input']}"

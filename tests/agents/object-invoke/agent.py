"""The entry point is an object with `invoke`."""


class Agent:
    def __init__(self, greeting):
        self.greeting = greeting

    def invoke(self, inputs):
        return f"{self.greeting} {inputs['input']}"


agent = Agent("hej")

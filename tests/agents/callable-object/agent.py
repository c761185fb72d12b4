"""An object that can be called."""


class Agent:
    def __call__(self, input):
        return input + "!"


agent = Agent()

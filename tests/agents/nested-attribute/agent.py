"""A static method, named with its class."""


class Agent:
    @staticmethod
    def answer(input):
        return input

"""The entry point is an object with a coroutine `run`."""


class Agent:
    async def run(self, input, callbacks):
        return {"ran": input, "handlers": bool(callbacks)}


agent = Agent()

"""A coroutine is awaited."""

import asyncio


async def run(input):
    print("before")
    await asyncio.sleep(0)
    print("after")
    return f"awaited {input}"

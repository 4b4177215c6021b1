"""An agent that streams the words of a model."""

from collections.abc import AsyncIterator
from typing import Any

from websocket_handler_client import Agent, Task


async def model(data: Any) -> AsyncIterator[str]:
    for word in ("Working ", "on ", f"{data['task']}."):
        yield word


agent = Agent("dev")


@agent.task
async def work(task: Task) -> dict[str, int]:
    async with task.stream() as out:
        async for word in model(task.data):
            await out.write(word)
    return {"files": 3}


if __name__ == "__main__":
    agent.run()

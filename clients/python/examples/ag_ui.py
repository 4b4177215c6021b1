"""An agent whose library speaks AG-UI: each of its events reaches the front end, and a stop of the user reaches it."""

from collections.abc import AsyncIterator
from typing import Any

from websocket_handler_client import Agent, Task


async def library(asked: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Stands for the generator of your library, for example `LangGraphAgent.run(RunAgentInput(**asked))`."""
    answer = {"messageId": f"{asked['runId']}-answer"}
    yield {"type": "TEXT_MESSAGE_START", **answer, "role": "assistant"}
    for word in ("You said: ", asked["messages"][-1]["content"]):
        yield {"type": "TEXT_MESSAGE_CONTENT", **answer, "delta": word}
    yield {"type": "TEXT_MESSAGE_END", **answer}


agent = Agent("dev")


@agent.task
async def work(task: Task) -> None:
    await task.agui(library(task.data))


if __name__ == "__main__":
    agent.run()

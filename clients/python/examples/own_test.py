"""How to test an agent, and a client, of your own."""

import asyncio

from websocket_handler_client import Agent, Client, Task
from websocket_handler_client.testing import FakeGateway, FakeOutlet, FakeQueue


async def test_an_agent() -> None:
    queue, outlet = FakeQueue(), FakeOutlet()
    agent = Agent("dev", queue=queue, outlet=outlet, poll_s=0.1)

    @agent.task
    async def work(task: Task) -> dict[str, int]:
        return {"files": task.data["files"]}

    serving = asyncio.create_task(agent.serve())
    queue.put({"files": 3})
    await queue.until_empty()
    agent.stop()
    await serving
    assert [result["files"] for result in outlet.of_type("dev_result")] == [3]


async def test_a_client() -> None:
    async with FakeGateway() as gateway, Client(gateway.url) as client:
        updates = client.project("p").updates()
        await client.ping()
        await gateway.publish("p", {"n": 0})
        gateway.cut()
        await gateway.publish("p", {"n": 1})
        assert [(await anext(updates))["n"] for _ in range(2)] == [0, 1]


if __name__ == "__main__":
    asyncio.run(test_an_agent())
    asyncio.run(test_a_client())

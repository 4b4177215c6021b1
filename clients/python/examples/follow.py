"""Send a task to the Dev agent, and print what happens in the project until its result comes."""

import asyncio
import os

from websocket_handler_client import Client


async def main() -> None:
    url = os.environ.get("WEBSOCKET_HANDLER_WS_URL", "ws://127.0.0.1:8080/ws")
    async with Client(url) as client:
        updates = client.project("proj_123").updates()
        sent = await client.forward("dev", {"task": "Build a login page"}, project="proj_123")
        async for update in updates:
            print(update.position, update.type, update.data.get("text", ""))
            if update.type == "dev_result" and update["task_id"] == sent.message_id:
                break


if __name__ == "__main__":
    asyncio.run(main())

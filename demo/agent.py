"""A worker behind one agent queue, written with the Python SDK: `python -m demo.agent dev`.

It only plays the work. The SDK takes the tasks from `SQS_QUEUE_URL_<AGENT>`, brings what the agent says to everybody
who follows the project, and deletes a task when its function returns. Settings: `SQS_QUEUE_URL_<AGENT>` (its own and
the next agent's), `SQS_QUEUE_URL_UPDATES`, `AWS_REGION` and boto3's usual ones.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import sys
from typing import Any

from websocket_handler.cli.dev.plays import NEXT_AGENT, Update, play
from websocket_handler_client import Agent, Task

POLL_S = 2.0
"""Short, so that an agent that is stopped ends soon."""
GRACE_S = 1.0
PAUSE_S = (0.3, 0.8)


def make_agent(name: str) -> Agent:
    """The agent `pm`, `dev`, `qa` or `ops`. The same task always gets the same updates."""

    def steps(task: Task) -> list[dict[str, Any]]:
        updates = play(name, task.data, random.Random(task.message_id))
        return [
            {**_fields(update), "step": step, "steps": len(updates)} for step, update in enumerate(updates, start=1)
        ]

    agent = Agent(name, accept=lambda task: steps(task)[0], poll_s=POLL_S, grace_s=GRACE_S)

    @agent.task
    async def work(task: Task) -> dict[str, Any]:
        chance = random.Random(task.message_id)
        _, *progress, result = steps(task)
        for update in progress:
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            await task.publish(update)
        await asyncio.sleep(chance.uniform(*PAUSE_S))
        following = NEXT_AGENT.get(name)
        if following is not None and not (isinstance(task.data, dict) and task.data.get("only") is True):
            task.hand_over(following, task.data)
        return result

    return agent


def _fields(update: Update) -> dict[str, Any]:
    return {"type": update.type, "text": update.text, **update.details}


def main(arguments: list[str] | None = None) -> int:
    """Runs one agent until SIGTERM or SIGINT. Returns the exit code: 2 when a setting is missing."""
    parser = argparse.ArgumentParser(prog="python -m demo.agent", description="One demo agent.")
    parser.add_argument("agent", choices=["pm", "dev", "qa", "ops"])
    name: str = parser.parse_args(arguments).agent
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s agent %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("websocket_handler_client.agent").setLevel(logging.INFO)
    needed = [name, "updates", *([NEXT_AGENT[name]] if name in NEXT_AGENT else [])]
    if missing := [variable for queue in needed if not os.environ.get(variable := f"SQS_QUEUE_URL_{queue.upper()}")]:
        print(f"demo.agent: not set: {', '.join(missing)}", file=sys.stderr)
        return 2
    make_agent(name).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`websocket-handler mcp` as an assistant uses it: the client of the package `mcp`, stdio, a gateway, its queues."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import TextContent

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.gateway import REPOSITORY, Gateway, clean_environment, running_gateway
from tests.support.links import new_project
from tests.support.patience import PATIENCE_S
from tests.support.tokens import GUARDED, token
from websocket_handler.cli.client.asking import publish_again
from websocket_handler.cli.mcp.team import UPDATES_MAX
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import dialing

RIGHTS = ["subscribe", "publish", "forward:*", "admin"]
COMMAND = ("-m", "websocket_handler", "mcp")


@pytest.fixture(scope="module")
def guarded(emulator_process: Emulator) -> Iterator[Gateway]:
    """A gateway that wants tokens."""
    with running_gateway({**create_resources(emulator_process.url), **GUARDED}) as gateway:
        yield gateway


def variables(gateway: Gateway, rights: list[str]) -> dict[str, str]:
    """The environment of the command."""
    return clean_environment(
        {
            "WEBSOCKET_HANDLER_URL": gateway.ws_url,
            "WEBSOCKET_HANDLER_TOKEN": token(projects=["*"], rights=rights),
            "XDG_CONFIG_HOME": "/nowhere",
        }
    )


class Assistant:
    """Calls tools."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers. Raises AssertionError if it is an error."""
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    async def error(self, tool: str, **arguments: Any) -> str:
        """What a tool complains of."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error
        [content] = result.content
        assert isinstance(content, TextContent)
        return content.text


@asynccontextmanager
async def assistant(gateway: Gateway, rights: list[str] | None = None) -> AsyncIterator[Assistant]:
    """An assistant that has started the command."""
    environment = variables(gateway, RIGHTS if rights is None else rights)
    server = StdioServerParameters(command=sys.executable, args=list(COMMAND), env=environment, cwd=REPOSITORY)
    async with Client(stdio_client(server)) as client:
        yield Assistant(client)


async def publish(gateway: Gateway, project: str, message: dict[str, Any]) -> None:
    """Publish as an agent."""
    target = Target(gateway.ws_url, token(projects=["*"], rights=RIGHTS))
    async with dialing() as dial:
        await publish_again(dial, target, project, json.dumps(message).encode(), secrets.token_hex(16))


@pytest.mark.asyncio
async def test_a_task_is_sent_worked_on_and_waited_for(guarded: Gateway, emulator_process: Emulator) -> None:
    project = new_project()
    queue_url = create_resources(emulator_process.url)["SQS_QUEUE_URL_DEV"]
    async with assistant(guarded) as one:
        assert set((await one.call("list_agents"))["agents"]) == {"pm", "dev", "qa", "ops"}
        sent = await one.call("send_task", agent="code", project=project, data={"text": "build it"})
        assert (sent["agent"], sent["project"]) == ("dev", project)
        again = await one.call(
            "send_task", agent="dev", project=project, data={"text": "build it"}, task_id=sent["task_id"]
        )
        assert again["task_id"] == sent["task_id"]

        waiting = await one.call("wait_for_task", **sent, timeout_s=0.2)
        assert (waiting["state"], waiting["updates"]) == ("running", [])

        sqs: Any = emulator_process.client("sqs")
        message = (await asyncio.to_thread(sqs.receive_message, QueueUrl=queue_url, WaitTimeSeconds=20))["Messages"][0]
        await asyncio.to_thread(sqs.delete_message, QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        sqs.close()
        body = json.loads(message["Body"])
        assert (body["message_id"], body["data"]) == (sent["task_id"], {"text": "build it"})

        wait = asyncio.create_task(one.call("wait_for_task", **sent, timeout_s=PATIENCE_S))
        await publish(guarded, project, {"type": "dev_result", "task_id": "another"})
        for part in ("Hel", "lo"):
            text = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": part, "task_id": sent["task_id"]}
            await publish(guarded, project, text)
        await publish(guarded, project, {"type": "dev_result", "task_id": sent["task_id"], "files": 3})
        end = await wait
    assert (end["state"], end["more"], end["notes"]) == ("done", False, [])
    assert [update.get("delta") for update in end["updates"]] == ["Hello", None], "growing texts are joined"
    assert end["updates"][-1]["files"] == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(("last", "state"), [(True, "failed"), (False, "running")])
async def test_a_task_that_failed_for_good_has_ended(guarded: Gateway, last: bool, state: str) -> None:
    """One that will be tried again goes on."""
    project = new_project()
    async with assistant(guarded) as one:
        sent = await one.call("send_task", agent="qa", project=project, data={})
        await publish(guarded, project, {"type": "qa_failed", "task_id": sent["task_id"], "is_last": last})
        end = await one.call("wait_for_task", **sent, timeout_s=PATIENCE_S if last else 0.5)
    assert end["state"] == state
    assert [update["type"] for update in end["updates"]] == ["qa_failed"]


@pytest.mark.asyncio
async def test_a_project_is_read_behind_a_position_and_at_most_so_much(guarded: Gateway) -> None:
    project = new_project()
    for number in range(UPDATES_MAX + 1):
        await publish(guarded, project, {"n": number})
    async with assistant(guarded) as one:
        last = await one.call("read_updates", project=project, limit=2)
        assert [update["n"] for update in last["updates"]] == [UPDATES_MAX - 1, UPDATES_MAX]
        epoch = last["position"].partition(":")[0]
        first = await one.call("read_updates", project=project, position=f"{epoch}:0", limit=UPDATES_MAX)
        assert ([update["n"] for update in first["updates"]], first["more"]) == ([*range(UPDATES_MAX)], True)
        rest = await one.call("read_updates", project=project, position=first["position"])
        assert ([update["n"] for update in rest["updates"]], rest["more"]) == ([UPDATES_MAX], False)
        other = await one.call("read_updates", project=project, position="another:7", limit=1)
        assert other["updates"][0]["n"] == 0
        assert "the log is a new one" in other["notes"][0]
        assert "less than or equal to 200" in await one.error("read_updates", project=project, limit=UPDATES_MAX + 1)
        assert "no project id" in await one.error("read_updates", project="a b")
        assert "no position" in await one.error("read_updates", project=project, position="7")


@pytest.mark.asyncio
async def test_it_may_do_what_the_token_may(guarded: Gateway) -> None:
    project = new_project()
    async with assistant(guarded, ["subscribe"]) as one:
        assert (await one.call("read_updates", project=project))["updates"] == []
        assert "forbidden" in await one.error("send_task", agent="dev", project=project, data={})
        assert "forbidden" in await one.error("list_projects")
    async with assistant(guarded) as one:
        followed = await one.call("list_projects")
    assert followed["not_shown"] == 0


def test_it_ends_when_the_assistant_closes_its_input(guarded: Gateway) -> None:
    """And says nothing on stdout that is no message of the protocol."""
    done = subprocess.run(
        [sys.executable, *COMMAND],
        cwd=REPOSITORY,
        env=variables(guarded, RIGHTS),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

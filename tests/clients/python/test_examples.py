"""The examples of the Python SDK run, and the README shows them as they are."""

import asyncio
import importlib.util
import json
from types import ModuleType
from typing import Any, Final

import pytest

from tests.support.documents import ROOT, blocks
from tests.support.patience import PATIENCE_S
from tests.support.scripts import load_script
from tests.support.town import town
from websocket_handler.protocol.identity import FORWARD, identity_from_claims
from websocket_handler_client import Agent
from websocket_handler_client.testing import FakeGateway, FakeOutlet, FakeQueue

PACKAGE: Final = ROOT / "clients" / "python"
EXAMPLES: Final = sorted((PACKAGE / "examples").glob("*.py"))


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", PACKAGE / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_the_examples() -> None:
    shown = [block.text.strip() for block in blocks("clients/python/README.md") if block.language == "python"]
    assert sorted(shown) == sorted(path.read_text(encoding="utf-8").strip() for path in EXAMPLES)


def test_the_tutorial_shows_two_of_them() -> None:
    shown = [block.text.strip() for block in blocks("docs/tutorial.md") if block.language == "python"]
    expected = [(PACKAGE / "examples" / name).read_text(encoding="utf-8").strip() for name in ("follow.py", "agent.py")]
    assert shown == expected


def test_follow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def scene() -> None:
        async with asyncio.timeout(PATIENCE_S), FakeGateway() as gateway:
            monkeypatch.setenv("WEBSOCKET_HANDLER_WS_URL", gateway.url)
            following = asyncio.create_task(load("follow").main())
            while not gateway.tasks:  # noqa: ASYNC110 - the example tells nobody
                await asyncio.sleep(0)
            task_id = gateway.tasks[0]["message_id"]
            await gateway.publish("proj_123", {"type": "dev_progress", "text": "Reading"})
            await gateway.publish("proj_123", {"type": "dev_result", "task_id": task_id})
            await following

    asyncio.run(scene())
    assert [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()] == [
        "dev_progress Reading",
        "dev_result ",
    ]


@pytest.mark.asyncio
async def test_agent() -> None:
    queue, outlet = FakeQueue(), FakeOutlet()
    agent = Agent("dev", queue=queue, outlet=outlet, poll_s=0.1)
    agent.task(load("agent").work)
    serving = asyncio.create_task(agent.serve())
    queue.put({"task": "it"})
    await queue.until_empty()
    agent.stop()
    await serving
    text = "".join(message["delta"] for message in outlet.of_type("TEXT_MESSAGE_CONTENT"))
    assert (text, [result["files"] for result in outlet.of_type("dev_result")]) == ("Working on it.", [3])


@pytest.mark.asyncio
async def test_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"project_id": "p", "passed": True, "id": "e1"}
    async with asyncio.timeout(PATIENCE_S), town() as place:
        monkeypatch.setenv("WEBSOCKET_HANDLER_URL", f"http://127.0.0.1:{place.wire.port}")
        example = load("lambda_function")
        for _ in range(2):
            await asyncio.to_thread(example.handler, event, None)
        example.publisher.close()
        project = place.node.core.node.projects.find("p")
        assert project is not None
        assert project.journal.log.head == 1


@pytest.mark.asyncio
async def test_a_lambda_that_is_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that fails is handed back alone; one that comes again is answered once."""
    tasks = [{"project_id": "p", "message_id": f"t{n}", "data": data} for n, data in enumerate([{"suite": "all"}, {}])]
    event = {"Records": [{"messageId": f"m{n}", "body": json.dumps(task)} for n, task in enumerate(tasks)]}
    async with asyncio.timeout(PATIENCE_S), town() as place:
        monkeypatch.setenv("WEBSOCKET_HANDLER_URL", f"http://127.0.0.1:{place.wire.port}")
        example = load_script(ROOT / "docs" / "examples" / "lambda_agent.py")
        for _ in range(2):
            answer = await asyncio.to_thread(example.handler, event, None)
            assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        example.publisher.close()
        project = place.node.core.node.projects.find("p")
        assert project is not None
        assert project.journal.log.head == 1


def test_the_trigger_of_cognito_gives_rights_that_the_gateway_knows() -> None:
    """As in an access token of Cognito, which has no `aud`."""
    handler = load_script(ROOT / "docs" / "examples" / "cognito_rights.py").handler
    cases: list[tuple[list[str] | None, tuple[str, ...], set[str]]] = [
        (["viewers", "developers", "project-proj_123"], ("proj_123",), {"subscribe", "presence", *FORWARD.values()}),
        (None, (), set()),
    ]
    for groups, projects, rights in cases:
        answer = handler({"request": {"groupConfiguration": {"groupsToOverride": groups}}, "response": {}}, None)
        details = answer["response"]["claimsAndScopeOverrideDetails"]
        own = {"sub": "5d1f", "exp": 2e9, "token_use": "access", "client_id": "app", "cognito:groups": groups or []}
        identity = identity_from_claims({**own, **details["accessTokenGeneration"]["claimsToAddOrOverride"]})
        assert identity.projects == projects
        assert set(identity.rights) == rights


def test_own_test() -> None:
    example: Any = load("own_test")
    asyncio.run(example.test_an_agent())
    asyncio.run(example.test_a_client())


@pytest.mark.asyncio
async def test_ag_ui() -> None:
    queue, outlet = FakeQueue(), FakeOutlet()
    agent = Agent("dev", queue=queue, outlet=outlet, poll_s=0.1)
    agent.task(load("ag_ui").work)
    async with asyncio.timeout(PATIENCE_S):
        serving = asyncio.create_task(agent.serve())
        asked = {"threadId": "p", "runId": "r1", "messages": [{"id": "u", "role": "user", "content": "Hello"}]}
        queue.put(asked, message_id="r1")
        await queue.until_empty()
        agent.stop()
        await serving
    assert "".join(event["delta"] for event in outlet.of_type("TEXT_MESSAGE_CONTENT")) == "You said: Hello"
    assert [event["runId"] for event in outlet.of_type("RUN_FINISHED")] == ["r1"]

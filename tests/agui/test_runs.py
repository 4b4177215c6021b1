"""The real `HttpAgent` of both generations and CopilotKit against a real gateway: run, cut, join, stop, reload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.agui.tabs import Shown, Tab, open_tab
from tests.support.agent_at_work import Place, working_place
from tests.support.writer import words_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
VERSIONS = ["1.0.0", "0.0.59"]
_threads = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab() -> AsyncIterator[Tab]:
    """A Node process with the clients."""
    async with open_tab() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def place() -> AsyncIterator[Place]:
    """A gateway and an agent at work."""
    async with working_place() as made:
        yield made


def begin(tab: Tab, place: Place, version: str, words: int, **more: Any) -> Shown:
    """A run in a new thread."""
    name = f"thread-{next(_threads)}"
    url = f"{place.base_url}/agui/agent/dev/run"
    command = {"version": version, "url": url, "thread": name, "run": f"run-{name}", "messages": question(words)}
    return tab.call(**{**command, **more})


def question(words: int) -> list[dict[str, str]]:
    """What the user says."""
    return [{"id": "u1", "role": "user", "content": f"say {words}"}]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """What the agent said."""
    return [message["content"] for message in messages if message["role"] == "assistant"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_run_is_shown_word_by_word_to_its_end(tab: Tab, place: Place, version: str) -> None:
    shown = begin(tab, place, version, 3)
    await shown.until_seen("CUSTOM")
    place.writer.let_out(1)
    await shown.until_seen("TEXT_MESSAGE_CONTENT")
    place.writer.let_all_out()
    end = await shown.done()
    assert (end["error"], end["unhandled"], end["requests"]) == (None, [], 1)
    assert texts(end["messages"]) == ["".join(words_for("3"))]
    assert place.tasks(shown.run) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_run_that_is_cut_again_and_again_is_one_task_and_every_word_comes_once(
    tab: Tab, place: Place, version: str, seed: int
) -> None:
    place.writer.let_all_out()
    shown = begin(tab, place, version, 60, resumable=True, seed=seed)
    end = await shown.done()
    assert (end["error"], end["unhandled"]) == (None, [])
    assert texts(end["messages"]) == ["".join(words_for("60"))]
    assert end["cuts"] >= 3
    assert place.tasks(shown.run) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("drain_s", [0.0, 1.0], ids=["killed", "drained"])
async def test_a_gateway_that_is_replaced_costs_its_readers_nothing(
    tab: Tab, place: Place, version: str, drain_s: float
) -> None:
    shown = begin(tab, place, version, 8, resumable=True, seed=None)
    await shown.until_seen("CUSTOM")
    place.writer.let_out(4)
    await shown.until_seen("TEXT_MESSAGE_CONTENT", 4)
    await place.replace(drain_s=drain_s)
    place.writer.let_all_out()
    end = await shown.done()
    assert (end["error"], end["unhandled"]) == (None, [])
    assert texts(end["messages"]) == ["".join(words_for("8"))]
    assert (end["requests"] > 1, place.tasks(shown.run)) == (True, 1)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stop_ends_the_work_and_the_run(tab: Tab, place: Place, version: str) -> None:
    shown = begin(tab, place, version, 1000)
    place.writer.let_out(2)
    await shown.until_seen("TEXT_MESSAGE_CONTENT", 2)
    await tab.call(act="post", url=f"{place.base_url}/agui/agent/dev/stop/{shown.thread}").done()
    end = await shown.done()
    assert end["unhandled"] == []
    assert place.writer.ended == [shown.run]
    assert shown.types[-1] == ("RUN_FINISHED" if version == "1.0.0" else "RUN_ERROR")
    assert texts(end["messages"]) == ["".join(words_for("2"))]


async def test_copilotkit_runs_joins_stops_and_survives_a_reload(tab: Tab, place: Place) -> None:
    """Its exchange with the gateway, unmodified: `info`, `run`, `connect` in another tab, `stop`, `connect` anew."""
    common = {"version": "copilotkit", "url": f"{place.base_url}/agui", "thread": "shared"}
    for name in ("first", "second", "reloaded"):
        opened = await tab.call(**common, tab=name, act="open").done()
        assert opened["agents"] == ["pm", "dev", "qa", "ops"]
    place.writer.let_all_out()
    end = await tab.call(**common, tab="first", act="run", text="say 2").done()
    assert (end["error"], texts(end["messages"])) == (None, ["".join(words_for("2"))])
    place.writer.hold()
    running = tab.call(**common, tab="first", act="run", text="say 1000")
    place.writer.let_out(3)
    await running.until_seen("TEXT_MESSAGE_CONTENT", 3)
    joined = tab.call(**common, tab="second", act="connect")
    await joined.until_seen("TEXT_MESSAGE_START")
    place.writer.let_out(1)
    await joined.until_seen("TEXT_MESSAGE_CONTENT")
    tab.tell(act="stop", of=running.name)
    there = await joined.done()
    assert (there["error"], there["unhandled"]) == (None, [])
    assert texts(there["messages"]) == ["".join(words_for("2")), "".join(words_for("4"))]
    assert [len(asked["messages"]) for asked in place.writer.asked] == [1, 1], "the history is not sent again"
    reloaded = await tab.call(**common, tab="reloaded", act="connect").done()
    assert [message["content"] for message in reloaded["messages"]] == [
        message["content"] for message in there["messages"]
    ]

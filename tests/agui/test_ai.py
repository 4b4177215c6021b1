"""The AI SDK's `Chat` of `useChat` against a real gateway: ask, resume, cut, tools, approvals, leave, once more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.agui.tabs import Json, Shown, Tab, open_tab, text_of
from tests.support.agent_at_work import Place, working_place
from tests.support.writer import TOOL, input_of, words_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
_chats = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Tab]:
    """A Node process with the AI SDK."""
    async with open_tab("ai.mjs") as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def place() -> AsyncIterator[Place]:
    """A gateway and an agent at work."""
    async with working_place() as made:
        yield made


class Page:
    """A page with a chat. It knows nothing of another page with the same one."""

    def __init__(self, node: Tab, place: Place, thread: str | None = None, **more: Any) -> None:
        number = next(_chats)
        self.thread = thread or f"chat-{number}"
        self._node = node
        self._place = place
        self._common = {"tab": number, "thread": self.thread, "url": f"{place.base_url}/ai", **more}

    def act(self, name: str, **more: Any) -> Shown:
        """Do what a person does in it."""
        return self._node.call(act=name, **self._common, **more)

    def send(self, text: str) -> Shown:
        """Ask something."""
        return self.act("send", text=text)

    def leave(self) -> None:
        """What `stop()` of the AI SDK does."""
        self._node.tell(act="leave", tab=self._common["tab"])

    def reloaded(self, messages: list[Json] | None = None, **more: Any) -> Page:
        """The same page after a reload, with the messages that its application kept."""
        return Page(self._node, self._place, self.thread, messages=messages or [], **more)

    @property
    def tasks(self) -> int:
        """How many messages the agents' queues got for this chat."""
        return self._place.tasks_of(self.thread)


def said(words: int) -> str:
    """The text of so many words."""
    return "".join(words_for(str(words)))


def is_well(end: Json) -> bool:
    """No error, and no rejection that nobody handled."""
    return (end["error"], end["unhandled"], end["status"]) == (None, [], "ready")


def tools(end: Json) -> list[Json]:
    """The tool calls of the last message."""
    return [part for part in end["messages"][-1]["parts"] if part["type"] == f"tool-{TOOL}"]


def inputs(shown: Shown) -> list[int]:
    """How many places the input of the call had, each time that the page saw it while it came."""
    parts = [part for event in shown.events for part in event.get("parts", ())]
    streaming = [part for part in parts if part.get("state") == "input-streaming"]
    return [len((part.get("input") or {}).get("places", ())) for part in streaming]


async def test_an_answer_is_shown_word_by_word_to_its_end(node: Tab, place: Place) -> None:
    page = Page(node, place)
    shown = page.send("say 3")
    await shown.until_seen("data-wsh.queued")
    place.writer.let_out(1)
    await shown.until_text(said(1))
    place.writer.let_all_out()
    end = await shown.done()
    assert is_well(end)
    assert [message["role"] for message in end["messages"]] == ["user", "assistant"]
    assert text_of(end["messages"][1]["parts"]) == said(3)
    assert (end["requests"], page.tasks) == (1, 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_an_answer_that_is_cut_again_and_again_is_one_task_and_every_word_comes_once(
    node: Tab, place: Place, seed: int
) -> None:
    place.writer.let_all_out()
    page = Page(node, place, resumable=True, seed=seed)
    end = await page.send("say 60").done()
    assert is_well(end)
    assert text_of(end["messages"][1]["parts"]) == said(60)
    assert end["cuts"] >= 3
    assert page.tasks == 1


@pytest.mark.parametrize("drain_s", [0.0, 1.0], ids=["killed", "drained"])
async def test_a_gateway_that_is_replaced_costs_the_reader_nothing(node: Tab, place: Place, drain_s: float) -> None:
    page = Page(node, place, resumable=True)
    shown = page.send("say 8")
    place.writer.let_out(4)
    await shown.until_text(said(4))
    await place.replace(drain_s=drain_s)
    place.writer.let_all_out()
    end = await shown.done()
    assert is_well(end)
    assert text_of(end["messages"][1]["parts"]) == said(8)
    assert (end["requests"] > 1, page.tasks) == (True, 1)


async def test_without_resumable_fetch_a_cut_is_an_error_and_resume_stream_mends_it(node: Tab, place: Place) -> None:
    page = Page(node, place)
    shown = page.send("say 8")
    place.writer.let_out(4)
    await shown.until_text(said(4))
    await place.replace(drain_s=0)
    end = await shown.done()
    assert (end["status"], text_of(end["messages"][1]["parts"])) == ("error", said(4))
    resumed = page.act("resume")
    await resumed.until_text(said(4))
    place.writer.let_all_out()
    end = await resumed.done()
    assert is_well(end)
    assert [text_of(message["parts"]) for message in end["messages"]] == ["say 8", said(8)]
    assert page.tasks == 1


@pytest.mark.parametrize("is_kept", [False, True], ids=["nothing kept", "half an answer kept"])
async def test_a_page_that_is_loaded_again_in_mid_answer_shows_all_of_it(
    node: Tab, place: Place, is_kept: bool
) -> None:
    page = Page(node, place)
    shown = page.send("say 6")
    place.writer.let_out(3)
    await shown.until_text(said(3))
    page.leave()
    half = (await shown.done())["messages"]
    assert text_of(half[1]["parts"]) == said(3)
    resumed = page.reloaded(half if is_kept else []).act("resume")
    await resumed.until_text(said(3))
    place.writer.let_all_out()
    end = await resumed.done()
    assert is_well(end)
    assert [text_of(each["parts"]) for each in end["messages"] if each["role"] == "assistant"] == [said(6)]
    assert page.tasks == 1


async def test_to_resume_where_nothing_is_under_way_changes_nothing(node: Tab, place: Place) -> None:
    place.writer.let_all_out()
    page = Page(node, place)
    before = await page.send("say 2").done()
    end = await page.reloaded(before["messages"]).act("resume").done()
    assert is_well(end)
    assert end["messages"] == before["messages"]


async def test_leaving_stops_nothing(node: Tab, place: Place) -> None:
    page = Page(node, place)
    shown = page.send("say 4")
    place.writer.let_out(2)
    await shown.until_text(said(2))
    page.leave()
    end = await shown.done()
    assert (is_well(end), text_of(end["messages"][1]["parts"])) == (True, said(2))
    assert place.writer.ended == []
    resumed = page.act("resume")
    place.writer.let_all_out()
    end = await resumed.done()
    assert (is_well(end), text_of(end["messages"][1]["parts"])) == (True, said(4))


async def test_the_same_question_once_more_is_another_task(node: Tab, place: Place) -> None:
    place.writer.let_all_out()
    page = Page(node, place)
    first = await page.send("say 2").done()
    end = await page.act("again").done()
    assert is_well(end)
    assert [text_of(message["parts"]) for message in end["messages"]] == ["say 2", said(2)]
    assert end["messages"][1]["id"] != first["messages"][1]["id"]
    assert page.tasks == 2


async def test_the_input_of_a_tool_is_shown_as_it_comes(node: Tab, place: Place) -> None:
    page = Page(node, place)
    shown = page.send("call 5")
    place.writer.let_out(3)
    await shown.until_seen("message", 4)  # the start of the call, and three pieces of its input
    place.writer.let_all_out()
    end = await shown.done()
    assert is_well(end)
    (tool,) = tools(end)
    assert (tool["state"], tool["input"], tool["output"]) == ("output-available", input_of(5), {"seen": True})
    assert text_of(end["messages"][1]["parts"]) == said(2)
    assert len(set(inputs(shown))) > 2
    assert inputs(shown) == sorted(inputs(shown))


async def test_a_page_that_is_loaded_again_in_the_middle_of_a_tools_input_has_all_of_it(
    node: Tab, place: Place
) -> None:
    page = Page(node, place)
    shown = page.send("call 6")
    place.writer.let_out(3)
    await shown.until_seen("message", 4)
    page.leave()
    await shown.done()
    resumed = page.reloaded().act("resume")
    await resumed.until_seen("message")
    place.writer.let_all_out()
    end = await resumed.done()
    assert is_well(end)
    (tool,) = tools(end)
    assert (tool["state"], tool["input"], tool["output"]) == ("output-available", input_of(6), {"seen": True})
    assert inputs(resumed) == sorted(inputs(resumed))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_tools_input_that_is_cut_again_and_again_is_whole(node: Tab, place: Place, seed: int) -> None:
    place.writer.let_all_out()
    page = Page(node, place, resumable=True, seed=seed)
    end = await page.send("call 40").done()
    assert is_well(end)
    (tool,) = tools(end)
    assert (tool["input"], tool["output"]) == (input_of(40), {"seen": True})
    assert text_of(end["messages"][1]["parts"]) == said(2)
    assert end["cuts"] >= 3
    assert page.tasks == 1


@pytest.mark.parametrize("is_reloaded", [False, True], ids=["same page", "reloaded before the answer"])
@pytest.mark.parametrize("approved", [True, False])
async def test_an_approval_goes_on_with_the_same_message(
    node: Tab, place: Place, approved: bool, is_reloaded: bool
) -> None:
    place.writer.let_all_out()
    page = Page(node, place)
    asked = await page.send("ask 4").done()
    assert is_well(asked)
    (tool,) = tools(asked)
    assert (tool["state"], tool["input"]) == ("approval-requested", input_of(4))
    if is_reloaded:
        page = page.reloaded(asked["messages"])
    end = await page.act("decide", approval=tool["approval"]["id"], approved=approved).done()
    assert is_well(end)
    (tool,) = tools(end)
    assert (tool["state"], tool["output"]) == ("output-available", {"approved": approved})
    assert (len(end["messages"]), text_of(end["messages"][1]["parts"])) == (2, said(3))
    assert [each.get("resume", [{}])[0].get("payload") for each in place.writer.asked] == [None, {"approved": approved}]
    assert page.tasks == 2


async def test_a_page_that_is_loaded_again_behind_an_approval_has_the_call_and_its_result(
    node: Tab, place: Place
) -> None:
    place.writer.let_all_out()
    page = Page(node, place)
    asked = await page.send("ask 4").done()
    place.writer.hold()
    shown = page.act("decide", approval=tools(asked)[0]["approval"]["id"], approved=True)
    place.writer.let_out(1)
    await shown.until_text(said(1))
    resumed = page.reloaded(asked["messages"]).act("resume")
    await resumed.until_text(said(1))
    place.writer.let_all_out()
    end, there = await resumed.done(), await shown.done()
    assert (is_well(end), is_well(there)) == (True, True)
    (tool,) = tools(end)
    assert (tool["state"], tool["input"], tool["output"]) == ("output-available", input_of(4), {"approved": True})
    assert [text_of(message["parts"]) for message in end["messages"]] == ["ask 4", said(3)]

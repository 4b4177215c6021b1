"""`useChat` of the AI SDK, unmodified, with `resume`, in Chromium: pages are loaded again, and gateways end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser, Page
from tests.support.agent_at_work import Place, working_place
from tests.support.gateway import REPOSITORY
from tests.support.links import new_project
from tests.support.writer import input_of, words_for

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOLDER = REPOSITORY / "tests" / "agui"
ESBUILD = REPOSITORY / "clients" / "typescript" / "node_modules" / ".bin" / "esbuild"
ANSWERS = "[...document.querySelectorAll('[data-role=assistant]')].map(({ textContent }) => textContent)"
STATUS = "document.querySelector('main')?.dataset.status"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def script() -> str:
    """The script of the page."""
    building = await asyncio.create_subprocess_exec(
        ESBUILD, "chat_page.tsx", "--bundle", "--jsx=automatic", cwd=FOLDER, stdout=asyncio.subprocess.PIPE
    )
    built, _ = await building.communicate()
    assert building.returncode == 0
    return built.decode()


class Chat:
    """A tab with the page, and the place where its agent is at work."""

    def __init__(self, page: Page, place: Place) -> None:
        self.page = page
        self.place = place
        self.project_id = new_project()

    async def open(self, query: str = "") -> None:
        """Load the page."""
        await self.page.go_to(f"{self.place.base_url}/health?{query}#{self.project_id}")
        await self.page.until(f"{STATUS} === 'ready'")

    async def send(self, text: str) -> None:
        """Ask something."""
        await self.page.run(f"globalThis.chat.sendMessage({json.dumps({'text': text})}), 0")

    async def reload(self) -> None:
        """Load the page again."""
        await self.page.run("globalThis.isOld = true")
        await self.page.call("Page.reload")
        await self.page.until(f"globalThis.isOld === undefined && {STATUS} !== undefined")

    async def reload_in_mid_answer(self) -> None:
        """Load the page again, and return when it follows the answer."""
        await self.reload()
        await self.page.until(f"{STATUS} === 'streaming'")

    async def shows(self, *answers: str) -> None:
        """Wait until it shows exactly these answers."""
        await self.page.until(f"JSON.stringify({ANSWERS}) === {json.dumps(json.dumps(answers, ensure_ascii=False))}")

    async def ended(self) -> None:
        """Wait for the end of the answer."""
        await self.page.until(f"{STATUS} === 'ready'")

    @property
    def tasks(self) -> int:
        """How many tasks came of it."""
        return self.place.tasks_of(self.project_id)


@pytest_asyncio.fixture(loop_scope="session")
async def chat(browser: Browser, script: str) -> AsyncIterator[Chat]:
    """A tab with the page, which throws nothing."""
    async with working_place() as place:
        page = await browser.new_page()
        await page.before_its_scripts(script)
        yield Chat(page, place)
        assert page.problems == []
        await page.call("Page.close")


def said(words: int) -> str:
    """The text of so many words."""
    return "".join(words_for(str(words)))


@pytest.mark.parametrize("query", ["", "keep", "plain", "plain&keep"])
async def test_a_page_that_is_loaded_again_in_mid_answer_shows_every_word_once(chat: Chat, query: str) -> None:
    await chat.open(query)
    await chat.send("say 9")
    chat.place.writer.let_out(3)
    await chat.shows(said(3))
    await chat.reload_in_mid_answer()
    await chat.shows(said(3))
    chat.place.writer.let_out(3)
    await chat.shows(said(6))
    await chat.reload_in_mid_answer()
    chat.place.writer.let_all_out()
    await chat.shows(said(9))
    await chat.ended()
    assert chat.tasks == 1


async def test_a_page_that_is_loaded_again_behind_an_answer_asks_for_nothing(chat: Chat) -> None:
    chat.place.writer.let_all_out()
    await chat.open("keep")
    await chat.send("say 3")
    await chat.shows(said(3))
    await chat.ended()
    await chat.reload()
    await chat.shows(said(3))
    await chat.ended()
    assert chat.tasks == 1


async def test_an_answer_that_ended_while_the_page_was_away_comes_when_the_same_is_sent_again(chat: Chat) -> None:
    """`resume` finds nothing then. The same message is the same run, so there is no second task."""
    await chat.open("keep")
    await chat.send("say 6")
    chat.place.writer.let_out(3)
    await chat.shows(said(3))
    await chat.page.go_to(f"{chat.place.base_url}/console/console.css")
    chat.place.writer.let_all_out()
    await chat.place.writer.until_ended(1)
    await chat.open("keep")
    await chat.shows(said(3))
    message = "{ messageId: chat.messages[0].id, parts: chat.messages[0].parts }"
    await chat.page.run(f"chat.sendMessage({message}), 0")
    await chat.shows(said(6))
    await chat.ended()
    assert chat.tasks == 1


@pytest.mark.parametrize("drain_s", [0.0, 1.0], ids=["killed", "drained"])
async def test_a_gateway_that_is_replaced_in_mid_answer_costs_the_page_nothing(chat: Chat, drain_s: float) -> None:
    await chat.open()
    await chat.send("say 6")
    chat.place.writer.let_out(3)
    await chat.shows(said(3))
    await chat.place.replace(drain_s=drain_s)
    chat.place.writer.let_all_out()
    await chat.shows(said(6))
    await chat.ended()
    assert chat.tasks == 1


async def test_a_second_tab_joins_in_mid_answer(chat: Chat, browser: Browser, script: str) -> None:
    await chat.open()
    await chat.send("say 6")
    chat.place.writer.let_out(3)
    await chat.shows(said(3))
    second = Chat(await browser.new_page(), chat.place)
    second.project_id = chat.project_id
    await second.page.before_its_scripts(script)
    await second.page.go_to(f"{chat.place.base_url}/health#{chat.project_id}")
    await second.shows(said(3))
    chat.place.writer.let_all_out()
    for tab in (chat, second):
        await tab.shows(said(6))
        await tab.ended()
    assert (chat.tasks, second.page.problems) == (1, [])
    await second.page.call("Page.close")


@pytest.mark.parametrize("query", ["keep", "plain&keep"])
async def test_an_approval_in_a_page_that_is_loaded_again_before_and_behind_it(chat: Chat, query: str) -> None:
    given = json.dumps(input_of(4), ensure_ascii=False, separators=(",", ":"))
    chat.place.writer.let_all_out()
    await chat.open(query)
    await chat.send("ask 4")
    await chat.shows(f"[approval-requested {given} undefined]")
    await chat.ended()
    await chat.reload()
    await chat.shows(f"[approval-requested {given} undefined]")
    chat.place.writer.hold()
    approval = "chat.messages.at(-1).parts.find(({ approval }) => approval).approval.id"
    await chat.page.run(f"chat.addToolApprovalResponse({{ id: {approval}, approved: true }}), 0")
    chat.place.writer.let_out(1)
    await chat.shows(f'[output-available {given} {{"approved":true}}]{said(1)}')
    await chat.reload_in_mid_answer()
    chat.place.writer.let_all_out()
    await chat.shows(f'[output-available {given} {{"approved":true}}]{said(3)}')
    await chat.ended()
    assert chat.tasks == 2

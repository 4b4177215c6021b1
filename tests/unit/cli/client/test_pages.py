"""How a log is read: page by page, up to a limit, and with a word where something is missing."""

import asyncio
import json
from typing import Any, cast

import pytest

from websocket_handler.cli.client.pages import Page, pages
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import Dial


class Answers:
    """Plays a gateway that has these pages, one after the other; each is epoch, offsets, and `recovered`."""

    def __init__(self, *said: tuple[str, list[int], bool]) -> None:
        self._said = list(said)
        self.asked: list[tuple[int, int]] = []

    async def socket(self, *_where: Any) -> "Answers":
        return self

    async def send(self, command: dict[str, Any]) -> None:
        self.asked.append((command["after"], command["limit"]))

    async def receive_text(self) -> str:
        epoch, offsets, recovered = self._said.pop(0)
        messages = [{"offset": offset} for offset in offsets]
        head = offsets[-1] if offsets else self.asked[-1][0]
        answer = {"id": "ask", "epoch": epoch, "messages": messages, "offset": head, "recovered": recovered}
        return json.dumps(answer)

    async def close(self) -> None:
        """Nothing is open."""


def read(answers: Answers, after: int = 0, limit: int | None = None) -> list[tuple[str, int]]:
    async def scene() -> list[Page]:
        found = pages(cast(Dial, answers), Target("ws://gateway/ws", None), "p", after, limit)
        return [page async for page in found]

    return [(page.epoch, len(page.messages)) for page in asyncio.run(scene())]


def test_pages_are_read_until_one_is_empty() -> None:
    answers = Answers(("e", [1, 2], True), ("e", [3], True), ("e", [], True))
    assert read(answers) == [("e", 2), ("e", 1)]
    assert answers.asked == [(0, 1000), (2, 1000), (3, 1000)]


def test_a_limit_counts_over_all_pages() -> None:
    answers = Answers(("e", list(range(1, 1001)), True), ("e", [1001], True))
    assert read(answers, limit=1001) == [("e", 1000), ("e", 1)]
    assert answers.asked == [(0, 1000), (1000, 1)]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (("f", [1], False), "-- gap: the log is a new one (f)\n"),
        (("e", [9], False), "-- gap: what comes behind offset 2 is no longer retained\n"),
    ],
)
def test_what_is_missing_is_told(
    second: tuple[str, list[int], bool], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    read(Answers(("e", [1, 2], True), second, (second[0], [], True)))
    assert capsys.readouterr().err == said

"""`python -m tests.agui.cuts --cuts 1000`: cuts the real clients at arbitrary bytes, with kills and drains between."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from itertools import count
from typing import Any, Final

from tests.agui.tabs import Json, Shown, Tab, open_tab, text_of
from tests.support.agent_at_work import Place, working_place
from tests.support.writer import input_of, words_for

AI_SDK: Final = "AI SDK"
CLIENTS: Final = ("1.0.0", "0.0.59", AI_SDK)
WORDS: Final = 60
RUNS_AT_ONCE: Final = 6


class Tabs:
    """A Node process of each kind."""

    def __init__(self, agui: Tab, ai: Tab) -> None:
        self.agui = agui
        self.ai = ai


def _begin(tabs: Tabs, place: Place, client: str, seed: int) -> Shown:
    common = {"thread": f"thread-{seed}", "resumable": True, "seed": seed}
    if client == AI_SDK:
        text = f"{'call' if _is_call(seed) else 'say'} {WORDS}"
        return tabs.ai.call(act="send", tab=seed, url=f"{place.base_url}/ai", text=text, **common)
    messages = [{"id": f"u{seed}", "role": "user", "content": f"say {WORDS}"}]
    url = f"{place.base_url}/agui/agent/dev/run"
    return tabs.agui.call(version=client, url=url, run=f"run-{seed}", messages=messages, **common)


def _is_call(seed: int) -> bool:
    return seed // len(CLIENTS) % 2 == 0


def _is_exact(client: str, seed: int, messages: list[Json]) -> bool:
    """True if the client shows everything that the agent said, and nothing else."""
    answers = [message for message in messages if message["role"] == "assistant"]
    if client != AI_SDK:
        return [answer["content"] for answer in answers] == ["".join(words_for(str(WORDS)))]
    parts = answers[0]["parts"] if len(answers) == 1 else []
    inputs = [part["input"] for part in parts if "toolCallId" in part]
    wanted = (2, [input_of(WORDS)]) if _is_call(seed) else (WORDS, [])
    return (text_of(parts), inputs) == ("".join(words_for(str(wanted[0]))), wanted[1])


async def one_run(tabs: Tabs, place: Place, seed: int) -> tuple[str, int, list[str]]:
    """One run under cuts. Returns its client, how often it was cut, and what was wrong with it."""
    client = CLIENTS[seed % len(CLIENTS)]
    shown = _begin(tabs, place, client, seed)
    end: dict[str, Any] = await shown.done()
    checks = {
        "an error": end["error"] is None,
        "an unhandled rejection": end["unhandled"] == [],
        "another text": _is_exact(client, seed, end["messages"]),
        "not one task": place.tasks_of(shown.thread) == 1,
    }
    return client, end["cuts"], [f"seed {seed}: {what}" for what, is_right in checks.items() if not is_right]


async def run(cuts: int, first_seed: int = 1) -> dict[str, Any]:
    """Run until each of the clients was cut so often. Returns the figures."""
    seeds = count(first_seed)
    figures: dict[str, Any] = {"cuts": dict.fromkeys(CLIENTS, 0), "runs": 0, "kills": 0, "drains": 0, "wrong": []}
    async with open_tab() as agui, open_tab("ai.mjs") as ai, working_place() as place:
        tabs = Tabs(agui, ai)
        place.writer.let_all_out()
        while min(figures["cuts"].values()) < cuts:
            runs = [asyncio.create_task(one_run(tabs, place, next(seeds))) for _ in range(RUNS_AT_ONCE)]
            if figures["runs"] % (4 * RUNS_AT_ONCE) == 0:
                is_drain = figures["kills"] > figures["drains"]
                await place.replace(drain_s=1.0 if is_drain else 0.0)
                figures["drains" if is_drain else "kills"] += 1
            for client, cut, wrong in await asyncio.gather(*runs):
                figures["cuts"][client] += cut
                figures["runs"] += 1
                figures["wrong"] += wrong
            place.writer.let_all_out()
    return figures


def main() -> int:
    """Returns 1 if a run was not shown whole and once."""
    parser = argparse.ArgumentParser(prog="tests.agui.cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000, help="of each client")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(run(options.cuts, options.seed))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())

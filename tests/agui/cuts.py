"""`python -m tests.agui.cuts --cuts 1000`: cuts the real clients at arbitrary bytes, with kills and drains between."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from itertools import count
from typing import Any

from tests.agui.tabs import Place, Tab, open_tab, working_place
from tests.agui.writer import words_for

VERSIONS = ("1.0.0", "0.0.59")
WORDS = 60
RUNS_AT_ONCE = 4


async def one_run(tab: Tab, place: Place, seed: int) -> tuple[int, list[str]]:
    """One run under cuts. Returns how often it was cut, and what was wrong with it."""
    shown = tab.call(
        version=VERSIONS[seed % 2],
        url=f"{place.base_url}/agui/agent/dev/run",
        thread=f"thread-{seed}",
        run=f"run-{seed}",
        messages=[{"id": f"u{seed}", "role": "user", "content": f"say {WORDS}"}],
        resumable=True,
        seed=seed,
    )
    end: dict[str, Any] = await shown.done()
    said = [message["content"] for message in end["messages"] if message["role"] == "assistant"]
    checks = {
        "an error": end["error"] is None,
        "an unhandled rejection": end["unhandled"] == [],
        "another text": said == ["".join(words_for(str(WORDS)))],
        "not one task": place.tasks(shown.run) == 1,
    }
    return end["cuts"], [f"seed {seed}: {what}" for what, is_right in checks.items() if not is_right]


async def run(cuts: int, first_seed: int = 1) -> dict[str, Any]:
    """Run until the clients were cut so often. Returns the figures."""
    seeds = count(first_seed)
    figures: dict[str, Any] = {"cuts": 0, "runs": 0, "kills": 0, "drains": 0, "wrong": []}
    async with open_tab() as tab, working_place() as place:
        place.writer.let_all_out()
        while figures["cuts"] < cuts:
            runs = [asyncio.create_task(one_run(tab, place, next(seeds))) for _ in range(RUNS_AT_ONCE)]
            if figures["runs"] % (4 * RUNS_AT_ONCE) == 0:
                is_drain = figures["kills"] > figures["drains"]
                await place.replace(drain_s=1.0 if is_drain else 0.0)
                figures["drains" if is_drain else "kills"] += 1
            for cut, wrong in await asyncio.gather(*runs):
                figures["cuts"] += cut
                figures["runs"] += 1
                figures["wrong"] += wrong
            place.writer.let_all_out()
    return figures


def main() -> int:
    """Returns 1 if a run was not shown whole and once."""
    parser = argparse.ArgumentParser(prog="tests.agui.cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(run(options.cuts, options.seed))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())

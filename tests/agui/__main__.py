"""`python -m tests.agui --cases 100000`: gives made-up runs to the real AG-UI clients, and compares with the fold; and
as many streams to the AI SDK, and compares the ways to get them."""

from __future__ import annotations

import argparse
import sys
from itertools import count

from tests.agui.ai_stories import ai_cases_of, problems, show
from tests.agui.clients import take
from tests.agui.stories import cases_of, difference

BATCH = 2000


def main() -> int:
    """Returns 1 if a client made of a run something else than the gateway thinks."""
    parser = argparse.ArgumentParser(prog="tests.agui", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    seeds, done, differences = count(options.seed), 0, 0
    while done < options.cases:
        cases = [case for _ in range(BATCH // 4) for case in cases_of(next(seeds))]
        for case, results in zip(cases, take([case.streams for case in cases]), strict=True):
            for generation, result in results.items():
                found = difference(case, generation, result)
                if found is not None:
                    differences += 1
                    sys.stdout.write(f"{case.name}, {generation}: {found[:600]}\n")
        done += len(cases)
        sys.stderr.write(f"{done} streams, {differences} differences\n")
    differences += ai_differences(options.cases, options.seed)
    return 1 if differences else 0


def ai_differences(wanted: int, seed: int) -> int:
    """How many streams were not what the AI SDK made of them."""
    seeds, done, differences = count(seed), 0, 0
    while done < wanted:
        cases = [case for _ in range(BATCH // 8) for case in ai_cases_of(next(seeds))]
        for found in problems(cases, show(cases)):
            differences += 1
            sys.stdout.write(f"AI SDK: {found[:600]}\n")
        done += len(cases)
        sys.stderr.write(f"AI SDK: {done} streams, {differences} differences\n")
    return differences


if __name__ == "__main__":
    sys.exit(main())

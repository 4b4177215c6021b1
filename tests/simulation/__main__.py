"""`python -m tests.simulation --seeds 1000` runs schedules; `--seed N --trace` runs one of them again and prints all
that happens."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.planted import PLANTS, planted
from tests.simulation.world import run_seed


def main() -> int:
    """Run what the arguments ask for. Returns the exit code: 0 if no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many schedules to run")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run only this one")
    parser.add_argument("--trace", action="store_true", help="print everything that happens; only with --seed")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share the schedules")
    parser.add_argument("--planted", action="store_true", help="how many seeds each planted bug needs")
    options = parser.parse_args()
    if options.planted:
        return _find_planted(options.seeds)
    if options.seed is not None:
        return _run_one(options.seed, keeps_trace=options.trace)
    return _run_many(range(options.start, options.start + options.seeds), options.processes)


def _run_one(seed: int, *, keeps_trace: bool) -> int:
    result = run_seed(seed, keeps_trace=keeps_trace)
    for line in result.lines:
        _say(line)
    for violation in result.violations:
        _say(f"VIOLATION {violation[:1000]}")
    _say(f"trace {result.trace_hash}")
    return 1 if result.violations else 0


def _run_many(seeds: range, processes: int) -> int:
    begun = time.perf_counter()
    failed = 0
    counts: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for result in pool.map(run_seed, seeds, chunksize=min(25, 1 + len(seeds) // (4 * processes))):
            counts.update(result.counts)
            injected.update(result.injected)
            if result.violations:
                failed += 1
                _say(f"FAILED: python -m tests.simulation --seed {result.seed} --trace")
                for violation in result.violations[:6]:
                    _say(f"    {violation[:400]}")
    seconds = time.perf_counter() - begun
    _say(f"{len(seeds)} schedules, {failed} failed, {seconds:.1f} s, {len(seeds) / seconds:.1f} schedules/s")
    _say(f"seen: {dict(sorted(counts.items()))}")
    _say(f"injected: {dict(sorted(injected.items()))}, {sum(injected.values())} in total")
    return 1 if failed else 0


def _find_planted(seeds: int) -> int:
    """Look for every planted bug from seed 0 on."""
    missed = 0
    for name in PLANTS:
        with planted(name):
            found = next(((seed, result) for seed in range(seeds) if (result := run_seed(seed)).violations), None)
        missed += found is None
        text = "not found" if found is None else f"seed {found[0]}: {found[1].violations[0][:150]}"
        _say(f"{name}: {text}")
    return 1 if missed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

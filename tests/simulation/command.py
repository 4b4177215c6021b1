"""The command line of a simulation: it runs many schedules, one of them with a trace, or looks for planted bugs."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.simulation.planted import planted
from tests.simulation.planted_updates import Patch
from tests.simulation.world import Result


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the command line runs."""

    program: str
    """How it is called."""
    run_seed: Callable[..., Result]
    plants: Mapping[str, Callable[[], list[Patch]]]


def run_command(simulation: Simulation, description: str | None) -> int:
    """Run what the arguments ask for. Returns the exit code: 0 if no promise was broken."""
    parser = argparse.ArgumentParser(prog=simulation.program, description=description)
    parser.add_argument("--seeds", type=int, default=100, help="how many schedules to run")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run only this one")
    parser.add_argument("--trace", action="store_true", help="print everything that happens; only with --seed")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share the schedules")
    parser.add_argument("--planted", action="store_true", help="how many seeds each planted bug needs")
    options = parser.parse_args()
    if options.planted:
        return _find_planted(simulation, options.seeds)
    if options.seed is not None:
        return _run_one(simulation, options.seed, keeps_trace=options.trace)
    return _run_many(simulation, range(options.start, options.start + options.seeds), options.processes)


def _run_one(simulation: Simulation, seed: int, *, keeps_trace: bool) -> int:
    result = simulation.run_seed(seed, keeps_trace=keeps_trace)
    for line in result.lines:
        _say(line)
    for violation in result.violations:
        _say(f"VIOLATION {violation[:1000]}")
    _say(f"trace {result.trace_hash}")
    return 1 if result.violations else 0


def _run_many(simulation: Simulation, seeds: range, processes: int) -> int:
    begun = time.perf_counter()
    failed = 0
    counts: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for result in pool.map(simulation.run_seed, seeds, chunksize=min(25, 1 + len(seeds) // (4 * processes))):
            counts.update(result.counts)
            injected.update(result.injected)
            if result.violations:
                failed += 1
                _say(f"FAILED: {simulation.program} --seed {result.seed} --trace")
                for violation in result.violations[:6]:
                    _say(f"    {violation[:400]}")
    seconds = time.perf_counter() - begun
    _say(f"{len(seeds)} schedules, {failed} failed, {seconds:.1f} s, {len(seeds) / seconds:.1f} schedules/s")
    _say(f"seen: {dict(sorted(counts.items()))}")
    _say(f"injected: {dict(sorted(injected.items()))}, {sum(injected.values())} in total")
    return 1 if failed else 0


def _find_planted(simulation: Simulation, seeds: int) -> int:
    """Look for every planted bug from seed 0 on."""
    missed = 0
    for name in simulation.plants:
        with planted(name, simulation.plants):
            found = next(
                ((seed, result) for seed in range(seeds) if (result := simulation.run_seed(seed)).violations), None
            )
        missed += found is None
        text = "not found" if found is None else f"seed {found[0]}: {found[1].violations[0][:150]}"
        _say(f"{name}: {text}")
    return 1 if missed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

"""The command line of the proofs: `python -m tests.proof.NAME` runs one alone, at any size."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run_alone(prove: Callable[..., Coroutine[Any, Any, object]], **defaults: float | str) -> Any:
    """Run a proof on the figures of the command line, which has an option for each of `defaults`, print and return its
    report."""
    parser = argparse.ArgumentParser(description=prove.__doc__)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    report = asyncio.run(prove(**vars(parser.parse_args())))
    print(report)
    return report

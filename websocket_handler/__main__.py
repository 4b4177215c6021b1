"""`python -m websocket_handler` and `websocket-handler`: the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from websocket_handler.cli.run import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, `serve` where none is named. Returns the exit code."""
    return run_command(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(given: list[str]) -> int:
    from websocket_handler.cli.commands import run_named  # noqa: PLC0415 - Click may be missing: that is told

    return run_named(given)


if __name__ == "__main__":
    sys.exit(main())

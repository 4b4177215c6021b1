"""`websocket-handler config`: every setting with its value, default, unit and limits."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from websocket_handler import config
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.variables.names import tell_unknown

TITLES: Final = ("VARIABLE", "VALUE", "DEFAULT", "UNIT", "LIMITS", "MEANING")


def show_config(*, is_json: bool = False) -> int:
    """Print all settings: as a table, or with `is_json` an object on each line. Returns the exit code: 2, with one line
    per problem, where they cannot be used."""
    rows = [
        (row.variable, row.value, row.default, row.unit, row.limits, row.description)
        for row in config.describe(os.environ)
    ]
    sys.stdout.write(_objects(rows) if is_json else _table([TITLES, *rows]))
    sys.stderr.write("".join(f"{line}\n" for line in tell_unknown(config.unknown_settings(os.environ))))
    try:
        settings = config.from_environment(os.environ)
    except config.ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    sys.stderr.write("".join(f"{name}: {reason}\n" for name, reason in config.shared_queues(settings).items()))
    return 0


def _table(table: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(TITLES) - 1)]
    lines = ([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]] for row in table)
    return "".join("  ".join(cells).rstrip() + "\n" for cells in lines)


def _objects(rows: Sequence[Sequence[str]]) -> str:
    names = [title.lower() for title in TITLES]
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in found)

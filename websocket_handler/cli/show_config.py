"""`websocket-handler config`: every setting with its value, default, unit and limits."""

import os
import sys

from websocket_handler import config
from websocket_handler.cli import EXIT_CONFIGURATION


def show_config() -> int:
    """Print all settings; exit code 2 with one line per problem when they cannot be used."""
    rows = config.describe(os.environ)
    heads = ("VARIABLE", "VALUE", "DEFAULT", "UNIT", "LIMITS", "MEANING")
    table = [
        heads,
        *((row.variable, row.value, row.default, row.unit, row.limits, row.description) for row in rows),
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, row[-1]]).rstrip() + "\n")
    try:
        config.from_environment(os.environ)
    except config.ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    return 0

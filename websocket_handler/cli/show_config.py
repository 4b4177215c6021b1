"""`websocket-handler config`: every setting with its value, default, unit and limits."""

import os
import sys

from websocket_handler import config
from websocket_handler.cli import EXIT_USAGE
from websocket_handler.variables.names import tell_unknown


def show_config() -> int:
    """Print all settings. Returns the exit code: 2, with one line per problem, where they cannot be used."""
    rows = config.describe(os.environ)
    titles = ("VARIABLE", "VALUE", "DEFAULT", "UNIT", "LIMITS", "MEANING")
    table = [
        titles,
        *((row.variable, row.value, row.default, row.unit, row.limits, row.description) for row in rows),
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, row[-1]]).rstrip() + "\n")
    sys.stderr.write("".join(f"{line}\n" for line in tell_unknown(config.unknown_settings(os.environ))))
    try:
        settings = config.from_environment(os.environ)
    except config.ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    sys.stderr.write("".join(f"{name}: {reason}\n" for name, reason in config.shared_queues(settings).items()))
    return 0

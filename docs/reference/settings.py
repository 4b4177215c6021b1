"""Writes settings.md from the declared settings: `python docs/reference/settings.py`. A test compares the two."""

import sys
from pathlib import Path

from websocket_handler.config import describe
from websocket_handler.variables.declared import Described

PAGE = Path(__file__).resolve().with_name("settings.md")
REQUIRED = "required"
HEAD = """# Settings

`make settings` writes this page from `websocket_handler/config.py`. Every setting is an environment variable. It is
read once, at the start. `websocket-handler config` prints the same table with the values that count on your machine.

The gateway ignores white space and quotes around a value. It does not start with a value that it cannot use: it prints
one line for each problem, and exits with code 2. A variable that looks like a misspelt setting is named with the
nearest right one. [Limits](../limits.md) says what a client sees at each limit, and
[the deployment](../operations/deploy.md) which settings the template sets.

| variable | default | unit | limits | meaning |
| --- | --- | --- | --- | --- |
"""


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|")


def row(setting: Described) -> str:
    """One line of the table."""
    default = "" if setting.default in {"", REQUIRED} else f"`{cell(setting.default)}`"
    default = "required" if setting.default == REQUIRED else default
    meaning = setting.description.partition(" Now from: ")[0]  # what counts on one machine
    return f"| `{setting.variable}` | {default} | {setting.unit} | {cell(setting.limits)} | {cell(meaning)} |\n"


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(row, describe({})))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")

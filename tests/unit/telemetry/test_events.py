"""The table of events holds what the gateway logs, no more and no less."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import websocket_handler
from websocket_handler.telemetry.events import EVENTS

PACKAGE = Path(websocket_handler.__file__).parent
FORM = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")
LOGGING = {"emit", "exception", "report"}
"""The methods of an event log, and the function that the engine gets in its place."""


def logged(path: Path) -> Iterator[str]:
    """The names of the events that a module logs: the first argument, or the texts that it chooses from. A name that is
    put together ends where its last part is put in: `update.`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called.lstrip("_") in LOGGING:
                texts = (part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant))
                yield from (text for text in texts if isinstance(text, str) and FORM.match(text))


def test_every_event_that_is_logged_is_in_the_table_and_the_others_are_gone() -> None:
    found = {name for path in PACKAGE.rglob("*.py") for name in logged(path)} | {"library"}  # what libraries say
    begun = tuple(name for name in found if name.endswith("."))
    assert begun, "the rule for names that are put together looks at something"
    assert {name for name in found if name not in begun} - EVENTS.keys() == set(), "not in the table"
    gone = {name for name in EVENTS if name not in found and not name.startswith(begun)}
    assert gone == set(), "logged nowhere"


def test_a_name_says_whom_it_is_about_and_what_happened() -> None:
    assert [name for name in EVENTS if name != "library" and not (FORM.fullmatch(name) and "." in name)] == []

"""docs/limits.md lists every limit, with the values that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from websocket_handler.access import tickets
from websocket_handler.api import projects
from websocket_handler.config import Settings, describe
from websocket_handler.delivery import agents_at_work, own_log, updates_under_way
from websocket_handler.delivery.forwarding import ForwardLimits
from websocket_handler.logs import folding
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.net import handshake, pongs
from websocket_handler.protocol import frame_decoder, json_text, request_head
from websocket_handler.protocol.codes import CloseCode, ErrorCode
from websocket_handler.protocol.session import PUBLISHING_FACTOR

PAGE: Final = Path(__file__).parents[2] / "docs" / "limits.md"
ROWS: Final = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| what |")
]
NO_LIMITS: Final = {
    "WEBSOCKET_PORT",
    "TRUSTED_PROXY_HOPS",
    "JWT_LEEWAY_S",
    "METRICS_INTERVAL_S",
    "SCALE_IN_PROTECTION_CONNECTIONS",
}
"""Numbers among the settings that limit no client."""
IN_WORDS: Final = {
    "PUBLISHES_PER_SECOND": ("-1", "ten times the commands"),
    "PUBLISH_BYTES_PER_SECOND": ("-1", "ten times the bytes of commands"),
    "MEMORY_LIMIT_BYTES": ("-1", "nine tenths of the container"),
}
FIXED: Final = {
    "protocol pings a second; 1,000 at once": pongs.PINGS_PER_SECOND,
    "size of a message that the gateway can skip, in bytes": frame_decoder.DISCARD_BYTES_MAX,
    "frames of one message": frame_decoder.MESSAGE_FRAMES_MAX,
    "arrays and objects within one another": json_text.NESTING_MAX,
    "size of a request target, in bytes": request_head.TARGET_BYTES_MAX,
    "fields in the query of a handshake": handshake.QUERY_FIELDS_MAX,
    "objects in a batch": projects.BATCH_MAX,
    "tickets of one user that are not used yet": tickets.TICKETS_PER_USER_MAX,
    "tickets of a node that are not used yet": tickets.TICKETS_MAX,
    "connections that one reply to `presence` lists": DeliveryLimits().presence_listed,
    "open runs that one answer about the agents lists": agents_at_work.RUNS_LISTED_MAX,
    "agents that it tells apart": agents_at_work.AGENTS_MAX,
    "publications and forwards of operators that a node tells of between two reports": own_log.DEEDS_PER_REPORT,
    "commands of one connection that wait for a store or a queue": DeliveryLimits().commands_in_flight,
    "publications of one project that wait for the log store": DeliveryLimits().pending_messages,
    "bytes of these publications": DeliveryLimits().pending_bytes,
    "tasks for one agent that wait for its queue": ForwardLimits().waiting_messages,
    "bytes of these tasks": ForwardLimits().waiting_bytes,
    "updates from the queue that wait for the log store": updates_under_way.UNDER_WAY_MAX,
    "a poll that waits, in seconds": projects.WAIT_MAX_S,
    "a ticket, in seconds": tickets.TICKET_SECONDS,
    "bytes of joined deltas of a node, for the next reader at the same place": folding.KEPT_BYTES_MAX,
    "idempotency keys of a project": DeliveryLimits().key_count,
    "age of an idempotency key, in seconds": DeliveryLimits().key_seconds,
    "bytes of the messages of all projects' runs": DeliveryLimits().run_bytes_total,
    "open questions of a project's runs to people": FoldLimits().interrupts,
    "answers to them, for who comes second": FoldLimits().decisions,
}
"""What no setting changes."""


def number(text: str) -> float:
    """A number as the page writes it."""
    return 0.0 if text == "none" else float(text.replace(",", ""))


def settings_of(row: tuple[str, ...]) -> list[str]:
    """The settings that a row names as its own."""
    return re.findall(r"`([A-Z_]+)`", row[2])


def test_every_row_has_the_columns_of_the_page() -> None:
    assert len(ROWS) > 40
    assert {len(row) for row in ROWS} == {5}


def test_every_number_among_the_settings_is_a_limit_of_the_page() -> None:
    numbers = {
        name.upper()
        for name in Settings.__struct_fields__
        if re.search(r"\b(int|float)\b", str(Settings.__annotations__[name]))
    }
    listed = [name for row in ROWS for name in settings_of(row)]
    assert sorted(listed) == sorted(numbers - NO_LIMITS)


@pytest.mark.parametrize("row", [row for row in ROWS if settings_of(row)], ids=lambda row: settings_of(row)[0])
def test_a_setting_has_the_default_that_the_page_says(row: tuple[str, ...]) -> None:
    (name,) = settings_of(row)
    described = {each.variable: each for each in describe({})}[name]
    if name in IN_WORDS:
        assert (described.default, row[1]) == IN_WORDS[name]
    else:
        assert number(row[1]) == float(described.default)
    may_be_off = "0: no limit" in described.description
    assert may_be_off == ("(0: none)" in row[2] or row[1] == "none")


def test_ten_times_is_the_factor_of_the_code() -> None:
    assert PUBLISHING_FACTOR == 10


def test_what_no_setting_changes_has_the_value_of_the_code() -> None:
    fixed = {row[0]: row[1] for row in ROWS if not row[2]}
    assert fixed.pop("size of a request body") == "100 times `MAX_MESSAGE_BYTES`"
    assert fixed.pop("publications in one reply to `history`") == "as many as are kept in memory"
    assert {what: number(value) for what, value in fixed.items()} == FIXED


def test_every_answer_is_a_code_of_the_protocol() -> None:
    words = {word for row in ROWS for word in re.findall(r"`([a-z_]+)`", row[3])} - {"count"}
    assert words <= {code.value for code in ErrorCode}
    closes = {int(row[3]) for row in ROWS if re.fullmatch(r"[0-9]{4}", row[3])}
    assert closes <= {int(code) for code in CloseCode}

"""The fold that a node keeps of a project's runs."""

from collections.abc import Sequence
from typing import Any

import msgspec

from websocket_handler.hub.log import LogLimits, ProjectLog, Publication
from websocket_handler.logs.kept_runs import ENTRIES_AT_ONCE, MARK_EVERY, MARKS_MAX, KeptRuns
from websocket_handler.logs.page import page_of
from websocket_handler.logs.violations import Violations
from websocket_handler.telemetry.counters import Counters

START: dict[str, Any] = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
OPEN: dict[str, Any] = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
DELTA: dict[str, Any] = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x"}
END: dict[str, Any] = {"type": "TEXT_MESSAGE_END", "messageId": "m"}
NOTE: dict[str, Any] = {"type": "note"}


class Bench:
    """A log of three entries in memory, and what is kept of its runs."""

    def __init__(self, messages: int = 3) -> None:
        self.log = ProjectLog("e", 0, LogLimits(messages=messages, bytes=1_000_000, seconds=1e9))
        self.counters = Counters()
        self.lines: list[dict[str, object]] = []
        violations = Violations(self.counters, lambda _event, fields: self.lines.append(fields), lambda: 0.0)
        self.runs = KeptRuns("p", lambda: self.log, violations, lambda _guard: None)

    def write(self, *events: dict[str, Any]) -> Sequence[Publication]:
        """Write entries of one segment, about which nobody tells the runs."""
        first = self.log.head + 1
        payloads = [msgspec.json.encode({**each, "offset": offset}) for offset, each in enumerate(events, first)]
        entries = [Publication(payload, 0.0, offset=offset) for offset, payload in enumerate(payloads, first)]
        self.log.extend(entries, 0.0)
        return entries

    def append(self, *events: dict[str, Any]) -> None:
        after = self.log.head
        self.runs.appended(page_of("e", after, self.write(*events)))

    def text(self) -> str:
        latest = self.runs.latest()
        assert latest is not None
        return "".join(message["content"] for message in latest.messages.data())


def test_a_run_is_known_from_its_beginning_when_its_log_is_not() -> None:
    bench = Bench()
    bench.append(START, OPEN)
    for _ in range(50):
        bench.append(DELTA)
    assert (bench.log.first, bench.text()) == (50, "x" * 50)
    latest = bench.runs.latest()
    assert latest is not None
    assert (latest.offset, list(latest.runs.runs)) == (52, ["r"])


def test_a_run_whose_beginning_is_gone_counts_as_open() -> None:
    bench = Bench()
    named = {"runId": "r"}
    bench.write(START, OPEN | named, DELTA | named, DELTA | named, DELTA | named)
    bench.log.floor = bench.log.first - 1
    latest = bench.runs.latest()
    assert latest is not None
    assert list(latest.runs.runs["r"].open) == [("text", "m", None)]


def test_what_it_gives_away_goes_its_own_way() -> None:
    bench = Bench()
    bench.append(START, OPEN, DELTA)
    latest = bench.runs.latest()
    assert latest is not None
    latest.fields(DELTA)
    assert bench.text() == "x"


def test_without_events_nothing_is_folded() -> None:
    bench = Bench()
    for _ in range(5):
        bench.append(NOTE)
    assert bench.runs.size == 0
    bench.append(OPEN)
    assert bench.runs.size == 0
    bench.append(NOTE, START, OPEN)
    assert bench.runs.size > 0


def test_a_log_with_runs_is_folded_when_somebody_asks() -> None:
    for asks in (True, False):
        bench = Bench()
        bench.write(START, OPEN, DELTA)
        if asks:
            assert bench.text() == "x"
            bench.append(DELTA)
            assert bench.text() == "xx"
        else:
            bench.append(DELTA)
            bench.log.floor = 1
            assert bench.text() == "", "the start was not retained any more"


def test_after_a_gap_or_in_another_log_it_begins_again() -> None:
    bench = Bench(messages=100)
    bench.append(START, OPEN, DELTA)
    bench.write(DELTA)
    bench.append(DELTA)
    assert bench.text() == "xxx"
    bench.runs.replaced()
    assert bench.runs.size == 0
    bench.log = ProjectLog("f", 0, LogLimits())
    assert (bench.text(), bench.runs.epoch) == ("", "f")


def test_who_can_read_more_from_the_store_does_so() -> None:
    bench = Bench()
    bench.write(*[NOTE] * 5)
    bench.log.floor = 0
    assert bench.runs.latest() is None
    assert bench.runs.open_at(5) is None
    bench.log.floor = 2
    assert bench.runs.latest() is not None


def test_what_was_open_is_known_for_some_offsets() -> None:
    bench = Bench()
    bench.append(START, OPEN)
    for _ in range(MARK_EVERY + 10):
        bench.append(DELTA)
    bench.append(END)
    before, after = bench.runs.open_at(MARK_EVERY - 1), bench.runs.open_at(bench.log.head)
    assert before is not None
    assert after is not None
    assert (before.offset, list(before.runs.runs)) == (0, [])
    assert (after.offset, list(after.runs.runs["r"].open)) == (2 + ENTRIES_AT_ONCE, [("text", "m", None)])


def test_what_had_ended_is_known_for_some_offsets() -> None:
    bench = Bench()
    bench.append(START, {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"})
    bench.append(*[NOTE] * MARK_EVERY)
    before, after = bench.runs.open_at(1), bench.runs.open_at(bench.log.head)
    assert before is not None
    assert after is not None
    assert (list(before.ends.ended), list(after.ends.ended)) == ([], ["r"])


def test_the_oldest_marks_are_forgotten() -> None:
    bench = Bench()
    bench.append(START)
    for _ in range(MARKS_MAX):
        bench.append(*[NOTE] * MARK_EVERY)
    assert bench.runs.open_at(MARK_EVERY) is None
    oldest = bench.runs.open_at(1 + MARK_EVERY)
    assert oldest is not None
    assert oldest.offset == 1 + MARK_EVERY


def test_what_stops_clients_is_counted_once() -> None:
    bench = Bench(messages=100)
    bench.append(START)
    bench.append(DELTA, NOTE, OPEN, DELTA)
    for _ in range(ENTRIES_AT_ONCE - 5):
        bench.append(NOTE)
    assert bench.counters.run_violations == 0
    bench.append(NOTE)
    assert bench.counters.run_violations == 1
    assert [(line["run_id"], line["offset"], line["rule"]) for line in bench.lines] == [("r", 2, "not_open")]
    bench.runs.replaced()
    assert bench.text() == "x"
    assert bench.counters.run_violations == 1

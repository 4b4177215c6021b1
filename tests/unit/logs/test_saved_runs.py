"""The runs of a project in the log store: when they are saved, and how a node and a client go on with them."""

import json
from typing import Any

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import DOWN, WALL, Bench, Client, client_of, code_of, connect, opened
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.runs import snapshot
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.saved_runs import SAVE_S, TOLD_AGAIN
from websocket_handler.ports.log_store import Committed, Segment, Snapshot, Tail
from websocket_handler.protocol.codes import CommandError, ErrorCode

START: dict[str, Any] = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
OPEN: dict[str, Any] = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
NOTE: dict[str, Any] = {"type": "note"}


def delta(text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text}


def limits(messages: int, snapshot_bytes: int = 262_144) -> DeliveryLimits:
    log = LogLimits(messages=messages, bytes=1_000_000, seconds=1e9)
    return DeliveryLimits(log=log, run_snapshot_bytes=snapshot_bytes)


def write(bench: Bench, *events: dict[str, Any]) -> None:
    """Publish each event in a segment of its own."""
    for event in events:
        bench.publish(json.dumps(event).encode())
        bench.commit()


def entries(first: int, *events: dict[str, Any]) -> list[Publication]:
    """Entries that another node wrote."""
    return [
        Publication(json.dumps({**event, "project_id": "p", "offset": offset}).encode(), 1e6, offset=offset)
        for offset, event in enumerate(events, first)
    ]


def tail_of(first: int, *events: dict[str, Any], floor: int | None = None) -> Tail:
    records = entries(first, *events)
    head = first + len(records) - 1
    return Tail("e", head, first - 1 if floor is None else floor, (Segment("e", first, "other", records),))


def saved(offset: int, *events: dict[str, Any], epoch: str = "e") -> Snapshot:
    """What another node saved after these events, the last of which has this offset."""
    fold = Fold("p")
    for entry in entries(offset - len(events) + 1, *events):
        fold.publication(entry.payload)
    return Snapshot(epoch, offset, snapshot.dump(fold))


def follow(bench: Bench, high_water: int = 1_000_000) -> tuple[Connection, list[Start | CommandError]]:
    """A new client that begins with the snapshot. The list gets its start."""
    connection = connect(high_water)
    starts: list[Start | CommandError] = []

    def confirm(start: Start | CommandError) -> bool:
        starts.append(start)
        if isinstance(start, Start):
            connection.push(start.snapshot)
        return True

    cursor = bench.project.fan_out.subscribe_from_snapshot(connection, bench.project.saved_runs, confirm)
    connection.subscriptions["p"] = (bench.project, cursor)
    return connection, starts


def told(client: Client) -> dict[str, Any]:
    """The snapshot that a client got, before everything else."""
    first = client.messages[0]
    assert first["type"] == "snapshot", first
    return first


def text_of(client: Client) -> str:
    """The text of the message `m`, as a client shows it."""
    shown = "".join(message["content"] for message in told(client)["messages"] if message["id"] == "m")
    return shown + "".join(message.get("delta", "") for message in client.messages[1:])


def offsets_of(client: Client) -> list[int]:
    return [message["offset"] for message in client.messages]


# Saving


def test_a_run_is_saved_some_seconds_after_it_went_on_and_a_project_without_runs_never() -> None:
    bench = opened()
    write(bench, NOTE)
    bench.scheduler.advance(10 * SAVE_S)
    assert bench.hand.snapshots.kept == {}
    write(bench, START, OPEN, delta("a"))
    assert bench.hand.snapshots.kept == {}
    bench.scheduler.advance(SAVE_S)
    kept = bench.hand.snapshots.kept["p"]
    assert (kept.epoch, kept.offset) == (bench.project.reader.epoch, 4)
    assert snapshot.load(kept.data).messages.data()[0]["content"] == "a"


def test_nothing_is_saved_again_before_it_goes_on() -> None:
    bench = opened()
    write(bench, START)
    bench.scheduler.advance(SAVE_S)
    bench.hand.snapshots.told.pop()(True)
    bench.scheduler.advance(10 * SAVE_S)
    assert bench.hand.snapshots.told == []
    write(bench, OPEN)
    bench.scheduler.advance(SAVE_S)
    assert bench.hand.snapshots.kept["p"].offset == 2
    assert bench.counters.run_snapshots == {"kept": 1}


def test_a_fast_run_is_saved_before_its_snapshot_leaves_the_log() -> None:
    bench = opened(limits=limits(messages=10))
    write(bench, START, OPEN)
    kept: set[int] = set()
    for number in range(30):
        write(bench, delta(f"{number} "))
        for done in bench.hand.snapshots.told:
            done(True)
        bench.hand.snapshots.told.clear()
        if "p" in bench.hand.snapshots.kept:
            kept.add(bench.hand.snapshots.kept["p"].offset)
        assert bench.project.journal.log.first <= max(kept, default=0) + 1, "what follows the snapshot is retained"
    assert kept == {5, 10, 15, 20, 25, 30}


def test_one_save_is_under_way_and_one_that_failed_is_tried_again() -> None:
    bench = opened(limits=limits(messages=10))
    write(bench, START, *[delta("x")] * 8)
    assert len(bench.hand.snapshots.told) == 1
    bench.hand.snapshots.told.pop()(DOWN)
    write(bench, NOTE)
    assert len(bench.hand.snapshots.told) == 1
    bench.hand.snapshots.told.pop()(False)
    assert bench.counters.run_snapshots == {"failed": 1, "refused": 1}


def test_a_node_that_only_reads_leaves_the_saving_to_the_writer() -> None:
    bench = opened(tail_of(1, START), limits(messages=8))
    for offset in range(2, 6):
        bench.project.journal.refresh(lambda _fault: None)
        bench.hand.answer_read(tail_of(offset, delta("x")))
    bench.scheduler.advance(SAVE_S)
    assert bench.hand.snapshots.kept == {}
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail_of(6, delta("x")))
    assert bench.hand.snapshots.kept["p"].offset == 6, "at three quarters of the log: the writer seems to be gone"


def test_a_reader_that_finds_what_another_node_saved_does_not_save_it_again() -> None:
    bench = opened(tail_of(20, delta("x"), floor=19), limits(messages=8))
    bench.project.journal.refresh(lambda _fault: None)
    bench.hand.answer_read(tail_of(21, START))
    bench.hand.snapshots.asked.pop()[1](saved(20, START | {"runId": "before"}))
    assert bench.hand.snapshots.kept == {}
    assert [*bench.project.runs.newest().runs.runs] == ["before", "r"]


# Going on


def test_a_node_that_meets_a_run_goes_on_with_what_was_saved() -> None:
    bench = opened(tail_of(5, delta("c"), delta("d"), floor=4), limits(messages=10))
    connection, starts = follow(bench)
    assert starts == []
    bench.hand.snapshots.asked.pop()[1](saved(5, START, OPEN, delta("a"), delta("b"), delta("c")))
    client = client_of(connection)
    assert (text_of(client), told(client)["truncated"]) == ("abcd", False)
    write(bench, delta("e"))
    assert (text_of(client), offsets_of(client)) == ("abcde", [6, 7])


def test_what_is_further_back_than_memory_is_read_from_the_store() -> None:
    bench = opened(tail_of(8, delta("d"), floor=0), limits(messages=10))
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](saved(3, START, OPEN, delta("a")))
    assert bench.hand.answer_read(tail_of(4, NOTE, delta("b"), NOTE, delta("c"))) == 3
    assert text_of(client_of(connection)) == "abcd"


@pytest.mark.parametrize("answer", [None, saved(4, START, epoch="older"), Snapshot("e", 4, b"{}")])
def test_without_a_snapshot_the_retained_log_is_folded_and_what_goes_on_there_counts_as_open(answer: Any) -> None:
    named = {"runId": "r"}
    bench = opened(tail_of(5, delta("c") | named, floor=3), limits(messages=10))
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](answer)
    assert bench.hand.answer_read(tail_of(4, delta("b") | named, floor=3)) == 3
    push = told(client_of(connection))
    assert (push["truncated"], push["runs"]) == (True, [{"run_id": "r", "open": [{"kind": "text", "id": "m"}]}])


def test_a_gap_between_the_snapshot_and_the_log_is_not_hidden() -> None:
    named = {"runId": "r"}
    bench = opened(tail_of(9, OPEN | named, delta("z") | named, floor=8), limits(messages=10))
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](saved(3, START, OPEN, delta("a")))
    bench.hand.answer_read(Tail("e", 10, 8, ()))
    push = told(client_of(connection))
    assert (push["truncated"], [message["content"] for message in push["messages"]]) == (True, ["z"])


def test_a_snapshot_ahead_of_this_node_makes_it_look_at_the_log_first() -> None:
    bench = opened(tail_of(5, delta("c"), floor=4), limits(messages=10))
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](saved(6, START, OPEN, delta("a"), delta("b"), delta("c"), delta("d")))
    bench.hand.answer_read(tail_of(6, delta("d"), delta("e")))
    assert text_of(client_of(connection)) == "abcde"


def test_a_snapshot_beyond_the_end_of_the_log_is_not_used() -> None:
    bench = opened(tail_of(5, OPEN, floor=4), limits(messages=10))
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](saved(9, START, OPEN, delta("never")))
    bench.hand.answer_read(Tail("e", 5, 4, ()))
    assert "never" not in json.dumps(told(client_of(connection)))


def test_many_who_come_together_ask_once_and_a_store_that_is_down_is_said_to_all() -> None:
    bench = opened(tail_of(5, delta("c"), floor=4), limits(messages=10))
    followers = [follow(bench) for _ in range(5)]
    assert len(bench.hand.snapshots.asked) == 1
    bench.hand.snapshots.asked.pop()[1](DOWN)
    assert [code_of(starts[0]) for _, starts in followers] == [ErrorCode.STORE_UNAVAILABLE] * 5
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](saved(5, START, OPEN, delta("a")))
    assert text_of(client_of(connection)) == "a"


def test_a_log_that_is_replaced_while_the_store_is_asked_is_asked_for_again() -> None:
    bench = opened(tail_of(5, delta("c"), floor=4), limits(messages=10))
    connection, _ = follow(bench)
    done = bench.hand.snapshots.asked.pop()[1]
    bench.project.journal.refresh(lambda _fault: None)
    other = Tail("f", 2, 1, (Segment("f", 2, "other", entries(2, OPEN)),))
    bench.hand.answer_read(other)
    bench.hand.opened(other)
    done(saved(5, START, OPEN, delta("of the log that is gone")))
    bench.hand.snapshots.asked.pop()[1](saved(2, START, OPEN, epoch="f"))
    push = told(client_of(connection))
    assert (push["epoch"], push["offset"], push["messages"][0]["content"]) == ("f", 2, "")


def test_what_this_node_has_folded_is_kept_where_nothing_was_saved() -> None:
    bench = opened(tail_of(20, NOTE, floor=19), limits(messages=10))
    write(bench, START, OPEN, *(delta(f"{number} ") for number in range(30)))
    while bench.hand.snapshots.asked:  # the store is down while the run leaves the log
        bench.hand.snapshots.asked.pop()[1](DOWN)
    connection, _ = follow(bench)
    bench.hand.snapshots.asked.pop()[1](None)
    assert text_of(client_of(connection)) == "".join(f"{number} " for number in range(30))


def test_a_look_asks_once_in_a_project_with_runs_and_again_only_for_what_is_under_way() -> None:
    bench = opened(tail_of(5, NOTE, floor=4), limits(messages=100))
    runs = bench.project.saved_runs
    assert (runs.are_known(), bench.hand.snapshots.asked) == (False, [])
    write(bench, START)
    asked = bench.hand.snapshots.asked
    assert ([runs.are_known() for _ in range(3)], len(asked)) == ([False] * 3, 1)
    asked.pop()[1](DOWN)
    assert (runs.are_known(), len(asked)) == (False, 1)
    asked.pop()[1](None)
    assert runs.are_known()
    bench.project.runs.let_go()
    assert (runs.are_known(), len(asked)) == (False, 1)
    asked.pop()[1](None)
    write(bench, {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"})
    bench.project.runs.let_go()
    assert (runs.are_known(), len(asked)) == (True, 0)


def test_a_run_that_goes_on_on_a_new_node_is_folded_and_saved_without_anybody_who_asks() -> None:
    bench = opened(tail_of(5, delta("c"), floor=4), limits(messages=10))
    write(bench, delta("d"))
    bench.scheduler.advance(SAVE_S)
    bench.hand.snapshots.asked.pop()[1](saved(5, START, OPEN, delta("a"), delta("b"), delta("c")))
    kept = snapshot.load(bench.hand.snapshots.kept["p"].data)
    assert (kept.offset, kept.messages.data()[0]["content"], kept.truncated) == (6, "abcd", False)


# Clients


def test_a_client_of_a_long_run_gets_all_of_its_text_though_the_log_is_short() -> None:
    few = limits(messages=10)
    bench = Bench(few, MemoryLogStore(SteeredClock(wall=WALL), few.log))
    for event in (START, OPEN, *(delta(f"{number} ") for number in range(200))):
        bench.publish(json.dumps(event).encode())
        bench.scheduler.settle()
    client = client_of(follow(bench)[0])
    assert text_of(client) == "".join(f"{number} " for number in range(200))


def test_without_runs_the_snapshot_is_empty_and_the_whole_log_follows() -> None:
    bench = opened()
    write(bench, NOTE, NOTE)
    client = client_of(follow(bench)[0])
    push = told(client)
    assert (push["offset"], push["messages"], push["runs"], push["truncated"]) == (0, [], [], False)
    assert offsets_of(client) == [0, 1, 2]


def test_those_who_come_within_some_entries_get_the_same_bytes_and_the_entries_behind_them() -> None:
    bench = opened()
    write(bench, START, OPEN, delta("0"))
    starts = [follow(bench)[1][0]]
    write(bench, *[delta("x")] * TOLD_AGAIN)
    late, late_starts = follow(bench)
    assert isinstance(late_starts[0], Start)
    assert isinstance(starts[0], Start)
    assert late_starts[0].snapshot is starts[0].snapshot
    assert text_of(client_of(late)) == "0" + "x" * TOLD_AGAIN
    write(bench, delta("x"))
    latest, _ = follow(bench)
    assert offsets_of(client_of(latest)) == [3 + TOLD_AGAIN + 1]


def test_a_client_whose_outbox_is_full_gets_the_snapshot_when_it_is_empty() -> None:
    bench = opened()
    write(bench, START, OPEN, delta("a"))
    connection = connect(high_water=10)
    client_of(connection).write(b"\x81\x0b" + b'{"type":""}')
    starts: list[Any] = []

    def confirm(start: Start | CommandError) -> bool:
        starts.append(start)
        return True

    cursor = bench.project.fan_out.subscribe_from_snapshot(connection, bench.project.saved_runs, confirm)
    connection.subscriptions["p"] = (bench.project, cursor)
    ended: list[bool] = []
    bench.project.fan_out.when_started(cursor, lambda: ended.append(True))
    assert (starts, ended) == ([], [])
    client_of(connection).drain()
    assert ([start.offset for start in starts], ended) == ([3], [True])


def test_a_client_that_goes_while_it_waits_leaves_nothing_behind() -> None:
    bench = opened(tail_of(5, delta("c"), floor=4), limits(messages=10))
    connection, starts = follow(bench)
    bench.project.fan_out.end_cursor(connection.subscriptions["p"][1])
    bench.hand.snapshots.asked.pop()[1](None)
    assert starts == []
    assert bench.project.fan_out.is_empty


def test_a_closed_project_saves_nothing_more() -> None:
    bench = opened()
    write(bench, START)
    bench.project.close()
    bench.scheduler.advance(SAVE_S)
    assert bench.hand.snapshots.kept == {}


def test_a_snapshot_has_the_size_that_is_set() -> None:
    bench = opened(limits=limits(100, snapshot_bytes=4096))
    write(bench, START, OPEN, delta("a" * 3000), {"type": "TEXT_MESSAGE_END", "messageId": "m"})
    second = {"messageId": "n"}
    write(bench, OPEN | second, delta("b" * 3000) | second)
    start = follow(bench)[1][0]
    assert isinstance(start, Start)
    push = json.loads(start.snapshot)
    assert len(start.snapshot) <= 4096
    assert (push["truncated"], [message["id"] for message in push["messages"]]) == (True, ["n"])


def test_a_publication_in_the_memory_of_the_store_is_not_folded_twice() -> None:
    bench = opened()
    write(bench, START, OPEN)
    assert bench.project.runs.newest().offset == 2
    for number in range(3):
        bench.publish(json.dumps(delta(str(number))).encode())
    bench.scheduler.settle()
    bench.hand.appended(Committed())
    assert bench.project.runs.newest().messages.data()[0]["content"] == "012"

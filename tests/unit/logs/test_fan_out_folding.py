"""Subscribers that ask for it get the deltas that they are behind by as one publication; all others get every one."""

import json

from tests.support.deltas import delta, ranges, text_of
from tests.support.doubles import NEVER_OLD, SHORT, Bench, Client, client_of, opened
from tests.support.publications import wire
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Segment, Tail
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.frames import text_frames
from websocket_handler.protocol.messages import Position

PIECES = [f"word{number} " for number in range(20)]
TEXT = "".join(PIECES)


def streamed(limits: DeliveryLimits | None = None) -> Bench:
    """A project in which an agent has streamed a text."""
    bench = opened(limits=limits)
    for piece in PIECES:
        bench.publish(delta(piece))
    bench.commit()
    return bench


def received(client: Client) -> list[tuple[int, int]]:
    """The offsets that each of its publications stands for."""
    return ranges(client.messages)


def test_a_subscriber_that_comes_late_gets_the_text_at_once() -> None:
    bench = streamed()
    late = client_of(bench.follow(rewind=20, folds=True)[0])
    dense = client_of(bench.follow(rewind=20)[0])
    assert received(late) == [(1, 20)]
    assert received(dense) == [(offset, offset) for offset in range(1, 21)]
    assert text_of(late.messages) == text_of(dense.messages) == TEXT


def test_a_subscriber_may_begin_at_any_offset_of_what_others_got_joined() -> None:
    bench = streamed()
    epoch = bench.project.reader.epoch
    for offset in range(21):
        client = client_of(bench.follow(Position(epoch, offset), folds=True)[0])
        assert text_of(client.messages) == "".join(PIECES[offset:])
        assert received(client) == ([(offset + 1, 20)] if offset < 20 else [])


def test_level_subscribers_get_each_delta_as_it_comes_in_the_same_write() -> None:
    bench = opened()
    clients = [client_of(bench.follow(folds=folds)[0]) for folds in (True, False)]
    for piece in PIECES[:3]:
        bench.publish(delta(piece))
    bench.commit()
    assert clients[0].writes == clients[1].writes
    assert clients[0].writes[0] is clients[1].writes[0], "framed once"
    assert received(clients[0]) == [(1, 1), (2, 2), (3, 3)]


def test_a_slow_subscriber_gets_joined_what_it_missed_and_then_follows() -> None:
    bench = opened()
    slow, _ = bench.follow(folds=True)
    bench.publish(delta("one "))
    bench.commit()
    slow.pause()
    for piece in PIECES:
        bench.publish(delta(piece))
        bench.commit()
    assert received(client_of(slow)) == [(1, 1)]
    client_of(slow).drain()
    bench.publish(delta("end"))
    bench.commit()
    assert received(client_of(slow)) == [(1, 1), (2, 21), (22, 22)]
    assert text_of(client_of(slow).messages) == f"one {TEXT}end"


def test_who_does_not_ask_gets_the_bytes_of_the_log() -> None:
    bench = streamed()
    client = client_of(bench.follow(rewind=20)[0])
    log = bench.project.journal.log
    assert b"".join(client.writes) == text_frames([entry.payload for entry in log.after(0, 100, 1_000_000)])
    assert bench.engine.folding.folds == 0


def test_a_thousand_subscribers_that_come_back_to_one_place_cost_one_fold() -> None:
    bench = streamed()
    for _ in range(1000):
        bench.follow(rewind=20, folds=True)
    assert bench.engine.folding.folds == 1
    assert bench.counters.deliveries == 1000


def test_what_is_joined_has_at_most_the_size_of_a_message() -> None:
    whole = len(json.dumps(client_of(streamed().follow(rewind=20, folds=True)[0]).messages[0], separators=(",", ":")))
    for most, expected in ((whole, [(1, 20)]), (whole - 1, [(1, 19), (20, 20)])):
        bench = streamed(DeliveryLimits(log=NEVER_OLD, message_bytes=most))
        client = client_of(bench.follow(rewind=20, folds=True)[0])
        assert received(client) == expected
        assert text_of(client.messages) == TEXT


def test_pages_of_the_store_are_joined_as_those_of_memory() -> None:
    entries = [Publication(wire(delta(piece), n), 1.0, "", b"", n) for n, piece in enumerate(PIECES, 1)]
    whole = Segment("e", 1, "other", entries)
    bench = opened(at=Tail("e", 20, 0, (whole,)), limits=SHORT)
    client = client_of(bench.follow(Position("e", 0), folds=True)[0])
    bench.hand.answer_read(Tail("e", 20, 0, (Segment("e", 1, "other", entries[:15]),)))
    assert received(client)[0] == (1, 15)
    bench.hand.answer_read(Tail("e", 20, 0, (Segment("e", 16, "other", entries[15:]),)))
    assert received(client)[1][0] == 16
    assert text_of(client.messages) == TEXT


def test_a_replay_is_as_long_as_its_text_and_not_as_its_tokens() -> None:
    """200 seconds at 30 deltas a second. `bench/folding.py` prints the figures."""
    limits = DeliveryLimits(log=LogLimits(messages=10_000, bytes=100_000_000, seconds=1e9))
    bench = opened(limits=limits)
    for number in range(6000):
        bench.publish(delta(f"{number:5} "))
    while bench.project.journal.log.head < 6000:
        bench.commit()
    sizes = []
    for folds in (True, False):
        client = client_of(bench.follow(rewind=6000, folds=folds)[0])
        assert text_of(client.messages) == "".join(f"{number:5} " for number in range(6000))
        sizes.append(sum(map(len, client.writes)))
    assert sizes[0] <= 0.1 * sizes[1]


def test_a_snapshot_is_as_long_as_its_text_and_not_as_its_tokens() -> None:
    limits = DeliveryLimits(log=LogLimits(messages=10_000, bytes=100_000_000, seconds=1e9))
    bench = opened(limits=limits)
    run = {"runId": "r"}
    for event in ({"type": "RUN_STARTED", "threadId": "p"}, {"type": "TEXT_MESSAGE_START", "messageId": "m1"}):
        bench.publish(json.dumps(event | run).encode())
    for number in range(6000):
        event = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": f"{number:5} "}
        bench.publish(json.dumps(event | run).encode())
    while bench.project.journal.log.head < 6002:
        bench.commit()
    dense = client_of(bench.follow(rewind=6002)[0])
    starts: list[Start | CommandError] = []
    bench.project.saved_runs.place(starts.append, lambda: True)
    assert isinstance(starts[0], Start)
    assert starts[0].offset == 6002
    assert "".join(f"{number:5} " for number in range(6000)) in starts[0].snapshot.decode()
    assert len(starts[0].snapshot) <= 0.1 * sum(map(len, dense.writes))

"""Fan-out to clients of which some agreed on compression: the same publications, each compressed once."""

from collections.abc import Sequence

from tests.support.doubles import NEVER_OLD, Bench, client_of, opened
from tests.support.publications import wire
from websocket_handler.delivery.connection import Connection
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Segment, Tail
from websocket_handler.protocol.deflate import DeflateFraming
from websocket_handler.protocol.frames import RSV1, text_frame
from websocket_handler.protocol.messages import Position

LARGE = b'{"text":"%b"}' % (b"over and over " * 50)


class CountedDeflate(DeflateFraming):
    """Notes what it is asked to compress."""

    __slots__ = ("asked", "worked")

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.worked: list[bytes] = []

    def texts(self, payloads: Sequence[bytes]) -> bytes:
        """Notes that it was asked."""
        self.asked += 1
        return super().texts(payloads)

    def text(self, payload: bytes) -> bytes:
        """Notes what it works on."""
        self.worked.append(payload)
        return super().text(payload)


def follow(bench: Bench, framing: DeflateFraming | None, *, high_water: int = 1_000_000) -> Connection:
    """A client that follows, with compression or without."""
    connection, _ = bench.follow(high_water=high_water)
    if framing is not None:
        connection.framing = framing
    return connection


def published(bench: Bench, *bodies: bytes) -> None:
    """Publish these in one turn."""
    for body in bodies:
        bench.publish(body)
    bench.commit()


def test_both_kinds_get_the_same_publications_in_one_write_each() -> None:
    bench, deflate = opened(), CountedDeflate()
    kinds = [None, deflate, None, deflate, deflate]
    clients = [client_of(follow(bench, kind)) for kind in kinds]
    published(bench, LARGE, b"{}", LARGE)
    plain, compressed = clients[0].writes, clients[1].writes
    assert len(plain) == len(compressed) == 1
    assert len(compressed[0]) < len(plain[0]) / 3
    for client, kind in zip(clients, kinds, strict=True):
        (data,) = client.writes
        assert data is (plain[0] if kind is None else compressed[0]), "framed once for each kind"
        assert client.messages == clients[0].messages
        assert client.offsets == [1, 2, 3]
    assert bench.counters.deliveries == 15
    assert deflate.asked == 1
    assert len(deflate.worked) == 2, "the small one is sent as it is"


def test_nothing_is_compressed_while_nobody_who_wants_it_is_level() -> None:
    bench, deflate = opened(), CountedDeflate()
    follow(bench, None)
    slow = follow(bench, deflate)
    slow.pause()
    published(bench, LARGE, LARGE)
    assert deflate.asked == 0
    slow.resume()
    assert client_of(slow).offsets == [1, 2]
    bench.project.fan_out.end_cursor(slow.subscriptions["p"][1])
    published(bench, LARGE)
    assert deflate.asked == 1


def test_who_catches_up_gets_the_frames_that_were_made_for_the_others() -> None:
    bench, deflate = opened(), CountedDeflate()
    level, slow = follow(bench, deflate), follow(bench, deflate)
    slow.pause()
    published(bench, LARGE, LARGE)
    published(bench, LARGE)
    assert len(deflate.worked) == 3
    slow.resume()
    assert client_of(slow).messages == client_of(level).messages
    assert len(deflate.worked) == 3


def test_many_who_resume_from_one_place_cost_one_compression_per_publication() -> None:
    bench, deflate = opened(), CountedDeflate()
    published(bench, *[LARGE] * 20)
    for _ in range(10):
        connection = follow(bench, deflate)
        connection.pause()
        cursor = connection.subscriptions["p"][1]
        cursor.offset = 5
        connection.resume()
        assert client_of(connection).offsets == list(range(6, 21))
    assert len(deflate.worked) == 15


def test_a_client_that_fills_up_gets_the_rest_compressed_when_it_drained() -> None:
    limits = DeliveryLimits(log=NEVER_OLD, write_bytes=2000)
    bench, deflate = opened(limits=limits), CountedDeflate()
    slow, plain = follow(bench, deflate, high_water=200), follow(bench, None)
    published(bench, *[LARGE] * 10)
    assert slow.is_paused
    while slow.is_paused:
        client_of(slow).drain()
    published(bench, LARGE)
    assert client_of(slow).offsets == client_of(plain).offsets == list(range(1, 12))


def test_pages_of_the_store_are_compressed_too() -> None:
    """A client resumes from where memory no longer reaches: what is read for it is framed as it agreed."""
    limits = DeliveryLimits(log=LogLimits(messages=1, bytes=1_000_000, seconds=1e9))
    old = [Publication(wire(LARGE, offset), 1_000_000.0, offset=offset) for offset in (1, 2, 3)]
    stored = Tail("e", 3, 0, (Segment("e", 1, "other", old),))
    bench, deflate = opened(at=stored, limits=limits), CountedDeflate()
    connection, places = bench.follow(since=Position("e", 0))
    connection.framing = deflate
    bench.hand.answer_read(stored)
    assert places == [Start(0, recovered=True)]
    assert client_of(connection).offsets == [1, 2, 3]
    assert len(deflate.worked) == 3


def test_a_reply_of_one_connection_is_compressed_for_it_and_small_ones_are_not() -> None:
    connection = follow(opened(), DeflateFraming())
    connection.push(b'{"type":"pong"}')
    connection.push(LARGE)
    small, large = client_of(connection).writes
    assert small == text_frame(b'{"type":"pong"}')
    assert large[0] & RSV1
    assert len(large) < len(LARGE)

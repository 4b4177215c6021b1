"""permessage-deflate with `COMPRESSION=on`: bombs, reserved bits, and the RFC's vectors through `/__echo`.

Without it nothing is agreed on: `test_conformance.py`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support import echo
from tests.support.echo import BINARY, CLOSE, ECHOED, ENDED, GOODBYE, PING, PONG, TEXT, Frames, whole_and_in_bytes
from tests.support.frames import RSV1, deflated, handshake_head
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway, running_gateway
from tests.support.peers import Peer, Raw, bystander, client_sockets

LIMIT: Final = 65_536
OFFER: Final = "permessage-deflate; client_max_window_bits"
AGREED: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
PROTOCOL, INVALID, BIG = 1002, 1007, 1009
PACKING: Final = {"COMPRESSION": "on", "PING_INTERVAL_S": "3600"}  # no pings among the frames that are compared
GROWTH_MAX: Final = 24 * 1_048_576
"""What a gateway's memory may grow by at its highest; unpacked as they arrived, the bombs below took 74 MB."""


@pytest.fixture(scope="module")
def packing(resources: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that compresses, with `/__echo`, and with no limit on commands."""
    more = {"LOG_STORE": "memory", "DIAG_ECHO": "1", "COMMANDS_PER_SECOND": "0", **PACKING}
    with running_gateway(resources, **more) as running:
        yield running


@pytest.fixture
def packing_witness(packing: Gateway) -> Iterator[Peer]:
    """A bystander on `packing` for the length of a test."""
    with bystander(packing.port, {}) as peer:
        yield peer


def packed(opcode: int, data: bytes, level: int = 9) -> bytes:
    """A compressed message in one frame."""
    return frame(opcode, deflated(data, level), rsv=RSV1)


def packed_in(opcode: int, data: bytes, count: int, between: bytes = b"") -> bytes:
    """A compressed message in so many fragments."""
    payload = deflated(data)
    size = -(-len(payload) // count)
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    frames = [frame(opcode, parts[0], fin=False, rsv=RSV1)]
    frames += [frame(0, part, fin=False) for part in parts[1:]]
    return between.join([*frames, frame(0, b"")])


def opened(gateway: Gateway, path: str = "/__echo", offer: str = OFFER) -> Raw:
    """A connection that agreed on compression."""
    raw = Raw(gateway.port)
    raw.send(handshake_head(path, sec_websocket_extensions=offer))
    response = raw.response()
    assert response.status == 101
    assert response.headers["sec-websocket-extensions"] == AGREED
    return raw


def next_frame(raw: Raw) -> tuple[int, bytes, bool]:
    """The next frame: opcode, payload, and True if it came compressed."""
    first, size = raw.read(2)
    if size >= 126:
        size = int.from_bytes(raw.read(2 if size == 126 else 8))
    payload = raw.read(size)
    assert not first & 0x30
    if not first & RSV1 << 4:
        return first & 0x0F, payload, False
    return first & 0x0F, zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff"), True


def exchange(gateway: Gateway, data: bytes, chunk: int = 0) -> Frames:
    """What a fresh connection that agreed on compression answers to `data`."""
    with opened(gateway) as raw:
        return echo.exchange(raw, data, lambda: next_frame(raw)[:2], chunk)


# What RFC 6455 says holds as before, and RFC 7692 on top


@pytest.mark.parametrize(("data", "expected"), ECHOED.values(), ids=ECHOED.keys())
def test_plain_messages_pass_as_before(packing: Gateway, data: bytes, expected: Frames) -> None:
    assert exchange(packing, data) == [*expected, GOODBYE]


CHANGED = ("reserved bit 0x40", "a compressed frame: no extension was agreed on")


@pytest.mark.parametrize(("data", "code"), [case for name, case in ENDED.items() if name not in CHANGED])
def test_what_rfc_6455_forbids_is_still_forbidden(packing: Gateway, data: bytes, code: int) -> None:
    opcode, payload = exchange(packing, data)[-1]
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)


UTF8 = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \U0001f600".encode()
NOISE = os.urandom(LIMIT)
PACKED: dict[str, tuple[bytes, Frames]] = {
    **{f"text of {n}": (packed(TEXT, b"*" * n), [(TEXT, b"*" * n)]) for n in (0, 1, 125, 126, 65_535, 65_536)},
    **{f"level {n}": (packed(TEXT, UTF8 * 100, n), [(TEXT, UTF8 * 100)]) for n in (0, 1, 9)},
    "binary": (packed(BINARY, b"\xff\x00" * 500), [(BINARY, b"\xff\x00" * 500)]),
    "noise that compression makes larger": (packed(BINARY, NOISE), [(BINARY, NOISE)]),
    "nothing in two blocks": (frame(TEXT, b"\x02\0", rsv=RSV1), [(TEXT, b"")]),
    "fragments": (packed_in(TEXT, UTF8 * 50, 7), [(TEXT, UTF8 * 50)]),
    "an empty first fragment": (
        frame(TEXT, b"", fin=False, rsv=RSV1) + frame(0, deflated(UTF8)), [(TEXT, UTF8)],
    ),
    "a ping between all fragments": (packed_in(TEXT, UTF8, 3, frame(PING, b"!")), [*[(PONG, b"!")] * 3, (TEXT, UTF8)]),
    "compressed after plain after compressed": (
        packed(TEXT, UTF8) + frame(TEXT, b"plain") + packed(TEXT, UTF8), [(TEXT, UTF8), (TEXT, b"plain"), (TEXT, UTF8)],
    ),
    "a plain message in fragments between compressed ones": (
        packed(TEXT, UTF8) + frame(TEXT, b"a", fin=False) + frame(0, b"b") + packed(TEXT, UTF8),
        [(TEXT, UTF8), (TEXT, b"ab"), (TEXT, UTF8)],
    ),
    "the RFC's last block": (frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=RSV1), [(TEXT, b"Hello")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected", "chunk"), whole_and_in_bytes(PACKED))
def test_compressed_messages_come_back(packing: Gateway, data: bytes, expected: Frames, chunk: int) -> None:
    assert exchange(packing, data, chunk) == [*expected, GOODBYE]


HELLO = deflated(b"Hello")
FORBIDDEN: dict[str, tuple[bytes, int]] = {
    **{f"bits {bits:#x} beside it": (frame(TEXT, HELLO, rsv=bits >> 4), PROTOCOL) for bits in (0x50, 0x60, 0x70)},
    **{f"on control frame {code}": (frame(code, b"", rsv=RSV1), PROTOCOL) for code in (CLOSE, PING, PONG)},
    "on a continuation of a plain message": (
        frame(TEXT, b"a", fin=False) + frame(0, HELLO, rsv=RSV1), PROTOCOL),
    "on a continuation of a compressed message": (
        frame(TEXT, HELLO[:2], fin=False, rsv=RSV1) + frame(0, HELLO[2:], rsv=RSV1), PROTOCOL),
    "on a continuation of nothing": (frame(0, HELLO, rsv=RSV1), PROTOCOL),
    "a compressed message inside another": (
        frame(TEXT, HELLO[:2], fin=False, rsv=RSV1) + frame(TEXT, HELLO, rsv=RSV1), PROTOCOL),
    "noise": (frame(TEXT, b"\xff" * 50, rsv=RSV1), INVALID),
    "nothing at all": (frame(TEXT, b"", rsv=RSV1), INVALID),
    "half a message": (frame(TEXT, HELLO[:4], rsv=RSV1), INVALID),
    "more behind the last block": (frame(TEXT, bytes.fromhex("f348cdc9c9070000") + HELLO, rsv=RSV1), INVALID),
    "a message that refers back to the one before": (
        packed(TEXT, b"Hello") + frame(TEXT, bytes.fromhex("f200110000"), rsv=RSV1), INVALID),
    "invalid utf-8 inside": (packed(TEXT, b"ok\xff"), INVALID),
    "half a character inside": (packed(TEXT, b"\xe2\x82"), INVALID),
    "too big once it is unpacked": (packed(TEXT, b"x" * (LIMIT + 1)), BIG),
    "too big in fragments": (packed_in(BINARY, b"x" * (LIMIT + 1), 5), BIG),
    "a thousand times too big": (packed(TEXT, b"\0" * 1000 * LIMIT), BIG),
    "too many fragments": (
        frame(TEXT, HELLO, fin=False, rsv=RSV1) + frame(0, b"", fin=False) * 1024, 1008),
}  # fmt: skip


@pytest.mark.usefixtures("packing_witness")
@pytest.mark.parametrize(("data", "code"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_rfc_7692_forbids_ends_with_its_close_code(packing: Gateway, data: bytes, code: int) -> None:
    opcode, payload = exchange(packing, data)[-1]
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)


def test_whoever_breaks_rfc_7692_is_not_waited_for(packing: Gateway) -> None:
    """The close code comes, then the end, and the gateway's socket is gone while the client still holds its own."""
    before = client_sockets(packing)
    with ExitStack() as stack:
        raws = {name: stack.enter_context(opened(packing)) for name in FORBIDDEN}
        assert echo.endings(raws, FORBIDDEN) == {name: code for name, (_, code) in FORBIDDEN.items()}
        packing.until(lambda: client_sockets(packing) <= before)


def test_a_large_answer_is_compressed_and_a_small_one_is_not(packing: Gateway) -> None:
    with opened(packing) as raw:
        raw.send(packed(TEXT, b"small") + frame(TEXT, b"large " * 100) + packed(BINARY, NOISE[:1000]))
        assert next_frame(raw) == (TEXT, b"small", False)
        assert next_frame(raw) == (TEXT, b"large " * 100, True)
        assert next_frame(raw) == (BINARY, NOISE[:1000], False)


# Who did not agree on it


@pytest.mark.parametrize(
    "offer",
    [None, "permessage-bzip2", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; x"],
)
def test_who_did_not_agree_gets_nothing_compressed_and_may_send_nothing_compressed(
    packing: Gateway, offer: str | None
) -> None:
    with Raw(packing.port) as raw:
        raw.send(handshake_head("/__echo", sec_websocket_extensions=offer))
        response = raw.response()
        assert response.status == 101
        assert "sec-websocket-extensions" not in response.headers
        raw.send(frame(TEXT, b"large " * 100))
        assert next_frame(raw) == (TEXT, b"large " * 100, False)
        raw.send(packed(TEXT, b"Hello"))
        opcode, payload, _ = next_frame(raw)
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, PROTOCOL)


@pytest.mark.parametrize("offer", ["permessage-deflate;", "permessage-deflate; a=", '"', "a" * 2049, ""])
def test_offers_that_cannot_be_read_are_refused(packing: Gateway, offer: str) -> None:
    with Raw(packing.port) as raw:
        raw.send(handshake_head(sec_websocket_extensions=offer))
        response = raw.response()
        assert (response.status, response.code) == (400, "invalid_field")
        assert raw.is_ended()


# Bombs


def highest_bytes(gateway: Gateway) -> int:
    """The most memory that the gateway ever took."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def joined(gateway: Gateway) -> Raw:
    """A connection to `/ws` that agreed on compression and was greeted."""
    raw = opened(gateway, "/ws")
    assert json.loads(next_frame(raw)[1])["type"] == "connected"
    return raw


BOMBS = {
    "at the limit": (packed(TEXT, b"\0" * LIMIT), "invalid_json"),
    "a thousand to one": (packed(TEXT, b"\0" * LIMIT * 1000), "message_too_large"),
    "a bomb in a bomb": (packed(BINARY, deflated(b"\0" * LIMIT * 1000)), "binary_not_supported"),
}


@pytest.mark.usefixtures("packing_witness")
@pytest.mark.parametrize(("bomb", "code"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_answered_in_step_and_takes_no_more_than_one_message(
    packing: Gateway, bomb: bytes, code: str
) -> None:
    """Hundreds in one packet: the memory of one message, and the connection goes on."""
    assert len(bomb) < LIMIT + LIMIT // 8
    before, count = highest_bytes(packing), max(3, 250_000 // len(bomb))
    with joined(packing) as raw:
        raw.send(bomb * count + packed(TEXT, b'{"action":"ping"}'))
        for _ in range(count):
            error = json.loads(next_frame(raw)[1])
            assert error["code"] == code
        assert json.loads(next_frame(raw)[1])["type"] == "pong"
    assert highest_bytes(packing) - before < GROWTH_MAX


@pytest.mark.usefixtures("packing_witness")
def test_bombs_that_never_end_take_no_more_than_they_send(packing: Gateway) -> None:
    """Many connections, each with a compressed message of which the last fragment never comes."""
    before = highest_bytes(packing)
    bomb = frame(TEXT, deflated(b"\0" * LIMIT * 900), fin=False, rsv=RSV1)
    with ExitStack() as stack:
        for _ in range(100):
            raw = stack.enter_context(joined(packing))
            raw.send(bomb + frame(PING, b"read it"))
            assert next_frame(raw)[:2] == (PONG, b"read it")
        assert highest_bytes(packing) - before < GROWTH_MAX


def test_bombs_beyond_the_rate_are_not_unpacked_and_the_bystander_is_answered(resources: dict[str, str]) -> None:
    """With the default rate: a flood of bombs is told that it is too fast, message by message."""
    with (
        running_gateway(resources, LOG_STORE="memory", **PACKING) as gateway,
        bystander(gateway.port, {}) as witness,
        joined(gateway) as raw,
    ):
        count = 3000
        raw.send(packed(TEXT, b"\0" * LIMIT) * count)
        assert witness.request("ping")["type"] == "pong"
        codes = [json.loads(next_frame(raw)[1])["code"] for _ in range(count)]
        assert codes[0] == "invalid_json"
        assert codes.count("rate_limited") > count / 2


# What a compressed frame must not tell


def test_one_projects_publications_say_nothing_about_anothers(packing: Gateway) -> None:
    """CRIME and BREACH need one window for the secret and the guess: here every publication has a window of its own."""

    def length_of(project_id: str, message: dict[str, str]) -> int:
        with opened(packing, f"/ws?project_id={project_id}") as raw:
            for _ in range(2):
                next_frame(raw)
            command = {"action": "publish", "project_id": project_id, "message": message}
            raw.send(packed(TEXT, json.dumps(command).encode()))
            first, size = raw.read(2)
            assert first & RSV1 << 4
            size = int.from_bytes(raw.read(2)) if size == 126 else size
            raw.read(size)
            return size

    secret = os.urandom(200).hex()
    number = os.urandom(4).hex()
    unseen = length_of(f"guess-{number}-a", {"text": secret})
    length_of(f"secret-{number}-b", {"text": secret})
    assert abs(length_of(f"guess-{number}-c", {"text": secret}) - unseen) <= 4, (
        "not shorter for having been sent before"
    )

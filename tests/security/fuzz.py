"""Random and nearly valid input against a real gateway: only documented answers come out, and it stays alive.

`python -m tests.security.fuzz --minutes 10 [--seed N]` runs the long way; a failing case prints its bytes. The
cases of `corpus/` come first, in every run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.security.violations import Violation, check
from tests.support.frames import RSV1, handshake_head
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway, running_gateway
from tests.support.peers import Ended, Peer, Raw
from websocket_handler.protocol.codes import ERRORS, CloseCode, ErrorCode

CORPUS: Final = Path(__file__).parent / "corpus"
STATUSES: Final = {101, 200, 204, 408, 431} | {spec.status for spec in ERRORS.values()}
CLOSE_CODES: Final = {int(code) for code in CloseCode} | {1001, 1003, 1010}
ECHOED_CODES: Final = range(3000, 5000)
TYPES: Final = {
    "error", "pong", "subscription_confirmed", "unsubscription_confirmed", "publish_confirmed", "forward_confirmed",
    "history", "presence", "authenticated", "subscription_reset",
}  # fmt: skip


def try_http(port: int, data: bytes) -> str:
    """Send bytes to a fresh socket and its end of file: documented HTTP answers, or nothing."""
    with Raw(port) as raw:
        raw.send(data)
        raw.socket.shutdown(1)
        try:
            response = raw.response()
        except Ended:
            return "hung up"
        except TimeoutError:
            raise Violation(f"neither answer nor end; input: {data!r}") from None
        check(response.status in STATUSES, f"status {response.status}", data)
        if response.status >= 400:
            check(response.code in set(ErrorCode), f"code {response.body!r}", data)
        return str(response.status)


def try_frames(port: int, data: bytes) -> str:
    """Send bytes on an open WebSocket, and a close behind them: documented messages and close codes."""
    with Raw(port) as raw:
        raw.send(handshake_head())
        check(raw.response().status == 101, "no upgrade", data)
        raw.frame()
        try:
            raw.send(data + frame(8, b"\x03\xe8"))
            raw.socket.shutdown(1)
        except OSError:
            pass
        try:
            while True:
                opcode, payload = raw.frame()
                if opcode == 8:
                    code = int.from_bytes(payload[:2]) if payload else 1000
                    check(code in CLOSE_CODES or code in ECHOED_CODES, f"close code {code}", data)
                    return f"close {code if code in CLOSE_CODES else 'echoed'}"
                check(opcode in (1, 10), f"opcode {opcode}", data)
                if opcode == 1:
                    _check_message(payload, data)
        except Ended:
            return "hung up"
        except TimeoutError:
            raise Violation(f"neither answer nor end; input: {data!r}") from None


def try_text(peer: Peer, text: bytes) -> str:
    """Send one text message that is UTF-8: a documented answer, and the connection stays."""
    peer.send_text(text)
    peer.send_text(b'{"action":"ping","id":"probe"}')
    last = "nothing"
    while True:
        try:
            opcode, payload = peer.raw.frame()
        except (Ended, TimeoutError):
            raise Violation(f"the connection did not stay; input: {text!r}") from None
        check(opcode != 8, "the connection was closed", text)
        if opcode != 1:
            continue
        message = json.loads(payload)
        if message.get("id") == "probe":
            return last
        last = _check_message(payload, text)


def _check_message(payload: bytes, data: bytes) -> str:
    message = json.loads(payload)
    if "offset" in message and "epoch" not in message:
        return "publication"
    if "type" not in message:
        return "broadcast"  # of a request that was still whole
    check(message.get("type") in TYPES, f"message {payload[:200]!r}", data)
    if message["type"] == "error":
        check(message["code"] in set(ErrorCode) - {ErrorCode.INTERNAL}, f"error {payload[:200]!r}", data)
        return str(message["code"])
    return str(message["type"])


# Making input

SEED_COMMANDS: Final = (
    b'{"action":"subscribe","project_id":"p","since":{"epoch":"e","offset":1},"id":"1"}',
    b'{"action":"subscribe","project_id":"p","rewind":3}',
    b'{"action":"publish","project_id":"p","message":{"a":[1,2,{"b":null}],"c":"\\u00e9"},"key":"k"}',
    b'{"action":"history","project_id":"p","after":1,"limit":2}',
    b'{"action":"presence","project_id":"p"}',
    b'{"action":"unsubscribe","project_id":"p"}',
    b'{"action":"authenticate","token":"a.b.c"}',
    b'{"action":"ping"}',
)
PIECES: Final = (
    b"null", b"true", b"-0", b"1e999", b"9" * 40, b'"\\ud800"', b"[]", b"{}", b"NaN", b'"__proto__"', b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\0", b'"', b"\\", b",", b":", b"{", b"}", b"[" * 50, b'"offset":1', b'"action":"ping"', b" \r\n\t",
)  # fmt: skip
SEED_REQUESTS: Final = (
    handshake_head("/ws?project_id=a&since=e:1", authorization="Bearer x", sec_websocket_protocol="bearer, x"),
    b"GET /api/v1/projects/p/messages?after=1&limit=2&epoch=e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b'POST /api/v1/projects/p/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}',
    b"POST /api/v1/broadcast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n",
    b"DELETE /api/v1/connections/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\r\n",
)  # fmt: skip
HTTP_PIECES: Final = (
    b"\r\n", b"\r\n\r\n", b":", b" ", b"%", b"%00", b"%ff", b"Upgrade: websocket\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"HTTP/9", b"\0", b"\xff", b"a" * 9000,
    b"Authorization: Bearer y\r\n", b"?project_id=", b"&since=", b"../", b"Origin: null\r\n",
)  # fmt: skip


def mutated(chance: random.Random, seed: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """A seed with some changes: bytes flipped, cut, doubled, and pieces put in."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                del data[place : place + chance.randint(1, 20)]
            case 2:
                data[place:place] = chance.choice(pieces)
            case 3:
                data[place:place] = data[place : place + chance.randint(1, 40)]
            case _:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
    return bytes(data)


def random_frames(chance: random.Random) -> bytes:
    """Frames that are nearly right, and a few random bytes."""
    data = b""
    for _ in range(chance.randint(1, 6)):
        size = chance.choice((0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000))
        payload = chance.choice((*SEED_COMMANDS, chance.randbytes(min(size, 200)) + b"x" * max(0, size - 200)))
        opcode = chance.choice((0, 1, 1, 1, 2, 8, 9, 10, chance.randrange(16)))
        one = frame(
            opcode,
            payload,
            fin=chance.random() < 0.8,
            mask=chance.choice((b"\1\2\3\4", b"\1\2\3\4", b"\1\2\3\4", None)),
            rsv=chance.choice((0, 0, 0, 0, RSV1)),
        )
        data += mutated(chance, one, (b"\0", b"\xff")) if chance.random() < 0.3 else one
    return data


def corpus(kind: str) -> list[bytes]:
    """The committed cases of one kind."""
    return [path.read_bytes() for path in sorted((CORPUS / kind).iterdir())]


def one_round(chance: random.Random, gateway: Gateway, peer: Peer, outcomes: Counter[str]) -> None:
    """One case of each kind."""
    outcomes[f"http {try_http(gateway.port, mutated(chance, chance.choice(SEED_REQUESTS), HTTP_PIECES))}"] += 1
    outcomes[f"frames {try_frames(gateway.port, random_frames(chance))}"] += 1
    for _ in range(10):
        text = mutated(chance, chance.choice(SEED_COMMANDS), PIECES).decode("utf-8", "replace").encode()
        outcomes[f"text {try_text(peer, text)}"] += 1


def run(gateway: Gateway, seed: int, is_over: Callable[[int], bool]) -> Counter[str]:
    """Rounds until it is over, on one gateway; what came out. Raises Violation."""
    chance, outcomes, rounds = random.Random(seed), Counter[str](), 0
    with Peer.connect(gateway.port) as peer:
        while not is_over(rounds):
            one_round(chance, gateway, peer, outcomes)
            rounds += 1
    gateway.check_log()
    assert gateway.process.poll() is None
    return outcomes


def main() -> int:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    more = {"LOG_STORE": "memory", "COMMANDS_PER_SECOND": "0", "HANDSHAKE_TIMEOUT_S": "2"}
    with running_emulator() as emulator, running_gateway(create_resources(emulator.url), **more) as gateway:
        print(f"seed {options.seed}")  # noqa: T201
        outcomes = run(gateway, options.seed, lambda _rounds: time.monotonic() >= end)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:8} {outcome}")  # noqa: T201
    print(f"{sum(outcomes.values())} cases, no violation")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

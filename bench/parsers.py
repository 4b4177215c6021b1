"""The measurement behind docs/decisions/0001: our handshake and frame decoder against the `websockets` library's
Sans-I/O protocol, on the same bytes in one process. Run: python -m bench.parsers"""

import gc
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from websockets.http11 import Request
from websockets.server import ServerProtocol

from websocket_handler.net.handshake import accepted, read_handshake
from websocket_handler.protocol.frame_decoder import FrameDecoder
from websocket_handler.protocol.request_head import HeadReader

HEAD = (
    b"GET /ws?project_id=proj_123 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Mozilla/5.0\r\n"
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:8080\r\nAccept-Encoding: gzip\r\n\r\n"
)
ROUNDS = 7


def client_frame(payload: bytes) -> bytes:
    """A masked text frame."""
    mask = b"\x11\x22\x33\x44"
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    length = len(payload)
    head = bytes((0x81, 0x80 | length)) if length < 126 else b"\x81\xfe" + length.to_bytes(2)
    return head + mask + masked


def our_handshake() -> FrameDecoder:
    head = HeadReader(32_768).receive(HEAD)
    assert head is not None
    assert head.wants_websocket
    accepted(read_handshake(head, ("/ws",)).key)
    return FrameDecoder(65536)


def library_handshake() -> ServerProtocol:
    protocol = ServerProtocol(max_size=65536)
    protocol.receive_data(HEAD)
    request = protocol.events_received()[0]
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    protocol.data_to_send()
    return protocol


def our_messages(frame: bytes) -> Callable[[], object]:
    decoder = our_handshake()
    return lambda: decoder.receive(frame)


def library_messages(frame: bytes) -> Callable[[], object]:
    protocol = library_handshake()

    def receive() -> object:
        protocol.receive_data(frame)
        return protocol.events_received()

    return receive


def microseconds(work: Callable[[], object], count: int) -> float:
    """CPU time per call, the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(count):
            work()
        rounds.append((time.process_time() - started) / count * 1e6)
    return statistics.median(rounds)


def bytes_each(make: Callable[[], object], count: int = 2000) -> float:
    gc.collect()
    tracemalloc.start()
    kept = [make() for _ in range(count)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept
    return size / count


def main() -> None:
    small, large = client_frame(b'{"action":"ping"}'), client_frame(b"x" * 16384)
    rows = [
        ("handshake, us", microseconds(our_handshake, 3000), microseconds(library_handshake, 3000)),
        ("17 B message, us", microseconds(our_messages(small), 20000), microseconds(library_messages(small), 20000)),
        ("16 KiB message, us", microseconds(our_messages(large), 2000), microseconds(library_messages(large), 2000)),
        ("bytes per idle parser", bytes_each(our_handshake), bytes_each(library_handshake)),
    ]
    print(f"{sys.version.split()[0]}, {os.cpu_count()} cores; medians of {ROUNDS} rounds")
    for name, ours, library in rows:
        print(f"{name:24} ours {ours:9.2f}   websockets {library:9.2f}   ratio {library / ours:5.1f}")


if __name__ == "__main__":
    main()

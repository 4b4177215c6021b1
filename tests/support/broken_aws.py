"""An AWS that is broken in one way: nobody listens, nobody answers, or something else answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

Answer = tuple[int, dict[str, str], bytes]
JSON_PROTOCOL: Final = "x-amz-target"


@contextmanager
def refused_port() -> Iterator[int]:
    """A port that refuses every connection, because nobody listens. No other process can take it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def port_that_says(data: bytes) -> Iterator[int]:
    """A port that sends the same data to every client that sends something, and then ends the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def http_port(answer: Callable[[str], Answer]) -> Iterator[int]:
    """A port that answers HTTP. `answer` gets the operation of DynamoDB or SQS; for others, an empty text."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, body = answer(self.headers.get(JSON_PROTOCOL, "").partition(".")[2])
            self.send_response_only(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def refusal(code: str, status: int = 400) -> Callable[[str], Answer]:
    """Every call is refused with this code, in the form of each service."""

    def answer(operation: str) -> Answer:
        if operation:
            return status, {}, json.dumps({"__type": f"com.amazonaws#{code}", "message": "no"}).encode()
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        return status, {}, body.encode()

    return answer

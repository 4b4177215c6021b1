"""The measurement behind docs/decisions/0016: our HTTP connections to AWS against aiohttp's client, under the same
signer. Two gateways that differ in nothing else forward to the sink, in turns. Run: python -m bench.aws_connections

The gateways run on core 0, the load generator and the sink on core 1. `--pairs N` sets how many pairs are measured.
"""

import argparse
import asyncio
import ssl
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from bench.install import compile_programs
from bench.machine import Machine
from bench.measurement import Load, Sample, measure
from bench.processes import end_children_on_signal, raise_file_limit
from bench.servers import gateway, start_sink
from websocket_handler.adapters.aws import wire
from websocket_handler.adapters.aws.http_connections import Answer, ConnectionLimits
from websocket_handler.adapters.aws.sigv4 import Credentials, Signer

OURS, AIOHTTP = "ours", "aiohttp"
SERVE: Final = "--serve-with-aiohttp"
LOAD: Final = Load("forward", callers=32, in_flight=32, payload_bytes=200, seconds=4.0, warm_up_s=1.0)


class HeaderSigner(Signer):
    """The same signatures, for a client that writes the head itself."""

    _fixed: dict[str, str]
    _authorization = ""

    def _prepare(self, second: int, credentials: Credentials) -> None:
        super()._prepare(second, credentials)
        _, *lines = self._head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        self._authorization = headers.pop("authorization")
        self._fixed = headers

    def request(self, body: bytes, credentials: Credentials, now: float) -> Any:
        """The headers and the body."""
        whole = super().request(body, credentials, now)
        start = len(self._head)
        headers = {**self._fixed, "authorization": self._authorization + whole[start : start + 64].decode()}
        return headers, body


class AiohttpConnections:
    """What `HttpConnections` offers, by aiohttp."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, limits: ConnectionLimits | None = None
    ) -> None:
        limits = limits or ConnectionLimits()
        self._url = URL.build(scheme="https" if tls else "http", host=host, port=port, path="/")
        self._answer_bytes_max = limits.answer_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.connections, ssl=tls or True, keepalive_timeout=limits.idle_s, ttl_dns_cache=60
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
        )
        self._closing: asyncio.Task[None] | None = None

    async def ask(self, request: tuple[dict[str, str], bytes], answer_bytes_max: int | None = None) -> Answer:
        """One request, one answer."""
        headers, body = request
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if (response.content_length or 0) > (answer_bytes_max or self._answer_bytes_max):
                raise OSError("the answer is too long")
            found = {name.lower(): value for name, value in response.raw_headers}
            return Answer(response.status, found, await response.read())

    def take(self) -> None:
        """No connection for the short way: aiohttp has coroutines only."""

    def close(self) -> None:
        """End every connection."""
        self._closing = asyncio.get_running_loop().create_task(self._session.close())


def serve_with_aiohttp() -> int:
    """`websocket-handler serve`, with the other connections."""
    from websocket_handler.cli.serve import serve  # noqa: PLC0415 - only the gateway's process needs it

    vars(wire).update(HttpConnections=AiohttpConnections, Signer=HeaderSigner)
    return serve()


def per_cpu_second(sample: Sample) -> float:
    """How many forwards were confirmed in a second of the gateway's processor time."""
    return sample.answers / sample.server_cpu_s


def main(arguments: Sequence[str]) -> None:
    """Measure the pairs and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench.aws_connections", description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args(arguments).pairs
    raise_file_limit()
    end_children_on_signal()
    compile_programs()
    rates: dict[str, list[float]] = {OURS: [], AIOHTTP: []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = start_sink(folder)
        stack.callback(sink.stop)
        server = gateway(sink.port, OURS)
        command = [sys.executable, "-m", "bench.aws_connections", SERVE]
        servers = {OURS: server, AIOHTTP: replace(server, name=AIOHTTP, command=lambda _port, _folder: command)}
        running = {name: each.start(folder) for name, each in servers.items()}
        for each in running.values():
            stack.callback(each.stop)
            measure(server.protocol, each, replace(LOAD, seconds=1.0))  # its connections and its caches are warm
        print(Machine.look("python -m bench.aws_connections"))
        print(f"aiohttp {aiohttp.__version__}; forwards per second of the gateway's CPU")
        for pair in range(pairs):
            for name in (OURS, AIOHTTP) if pair % 2 == 0 else (AIOHTTP, OURS):
                sample = measure(server.protocol, running[name], LOAD)
                rates[name].append(per_cpu_second(sample))
            ours, theirs = rates[OURS][-1], rates[AIOHTTP][-1]
            print(
                f"  pair {pair + 1}: ours {ours:7,.0f}   aiohttp {theirs:7,.0f}   ratio {theirs / ours:.3f}", flush=True
            )
    ratios = [theirs / ours for ours, theirs in zip(rates[OURS], rates[AIOHTTP], strict=True)]
    for name, values in rates.items():
        print(f"{name:8} median {statistics.median(values):7,.0f} ({min(values):,.0f} to {max(values):,.0f})")
    print(f"aiohttp to ours: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    if sys.argv[1:] == [SERVE]:
        sys.exit(serve_with_aiohttp())
    main(sys.argv[1:])

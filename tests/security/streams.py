"""Event streams and long polls of a client that keeps to the rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.gateway import Gateway
from tests.support.peers import Raw, http
from tests.support.tokens import token

EVENTS = "/api/v1/projects/team-a/events"
POLL = "/api/v1/projects/team-a/messages?after=0&wait=60"


def ask(raw: Raw, path: str, **headers: str) -> None:
    """Send a GET request, and leave its answer to come."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw.send("\r\n".join([f"GET {path} HTTP/1.1", "Host: gateway.example", *lines]).encode() + b"\r\n\r\n")


@contextmanager
def stream(gateway: Gateway, **headers: str) -> Iterator[Raw]:
    """An event stream that has begun."""
    with Raw(gateway.port) as raw:
        ask(raw, EVENTS, **headers)
        assert raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        raw.read_until(b"event: subscription_confirmed\n")
        yield raw


@contextmanager
def poll(gateway: Gateway, **headers: str) -> Iterator[Raw]:
    """A long poll that waits."""
    before = metric(gateway, "streams")
    with Raw(gateway.port) as raw:
        ask(raw, POLL, **headers)
        gateway.until(lambda: metric(gateway, "streams") == before + 1)
        yield raw


def metric(gateway: Gateway, name: str) -> int:
    """A sample of `/metrics`, 0 where it is not there."""
    admin = {"authorization": f"Bearer {token(sub='operator', rights=['admin'])}"}
    lines = http(gateway.port, "GET", "/metrics", **admin).body.decode().splitlines()
    name = f"websocket_handler_{name} "
    return int(float(next((line for line in lines if line.startswith(name)), f"{name}0").removeprefix(name)))

"""Asks a gateway something, and waits for the answer; tries again as long as that is of use."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from random import Random
from typing import Any, Final, NoReturn

import msgspec
import uvloop

from websocket_handler.cli import EXIT_FAILED, EXIT_NOT_ALLOWED, EXIT_UNREACHABLE
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import (
    DENIED,
    DO_NOT_RECONNECT,
    FINAL,
    Dial,
    Message,
    RefusedError,
    SocketLink,
    dialing,
    is_foreign,
    read,
    wait_s_of,
)

PATIENCE_S: Final = 15.0
"""So long a question is repeated when no answer comes."""
PAUSE_S: Final = 0.1
HTTP_OK: Final = 200
DONE: Final = range(200, 300)
SERVER_FAULT: Final = 500
PAUSE_MAX_S: Final = 2.0
NOT_ALLOWED: Final = frozenset({"unauthorized", "forbidden"})
"""Error codes of the protocol."""
UNAUTHORIZED: Final = range(4500, 4510)
"""Close codes: the connection or its user was sent away."""


class ClientError(Exception):
    """Nothing more can be done. `exit_code` is that of the command."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Pause:
    """Waits between tries: as long as the gateway asked, or exponentially longer with full jitter."""

    def __init__(self) -> None:
        self._failures = 0
        self._random = Random()  # noqa: S311 - it spreads attempts

    def worked(self) -> None:
        """Begin with short pauses again."""
        self._failures = 0

    def next_s(self, wait_s: float | None) -> float:
        """How long to wait now."""
        self._failures += 1
        if wait_s is not None:
            return wait_s
        return self._random.uniform(0, min(PAUSE_MAX_S, PAUSE_S * 2 ** min(self._failures, 10)))


def raise_if_final(refusal: RefusedError, target: Target) -> None:
    """Raise ClientError if no repetition helps."""
    status = refusal.status
    if status in DENIED or status in UNAUTHORIZED:
        raise ClientError(f"{target.socket_url}: {refusal.reason}: this token is not let in", EXIT_NOT_ALLOWED)
    if status in FINAL or status in DO_NOT_RECONNECT:
        raise ClientError(f"{target.socket_url}: {refusal.reason}: no gateway is there", EXIT_UNREACHABLE)


def raise_error(message: Message) -> NoReturn:
    """Raise what an `error` of the gateway means: RefusedError if it may go away, else ClientError."""
    code, text = str(message.get("code")), str(message.get("message") or "")
    if message.get("retryable"):
        raise RefusedError(code, wait_s_of(message))
    raise ClientError(f"{code}: {text}", EXIT_NOT_ALLOWED if code in NOT_ALLOWED else EXIT_FAILED)


async def ask_over(link: SocketLink, command: Mapping[str, Any]) -> str:
    """Send a command over a link. Returns the text of its reply. Raises RefusedError and ClientError."""
    await link.send({**command, "id": "ask"})
    while True:
        text = await link.receive_text()
        message = read(text)
        if _is_reply(message):
            if message.get("type") == "error":
                raise_error(message)
            return text


def _is_reply(message: Message) -> bool:
    """A publication may have an `id`, too; but then it has an offset and no epoch."""
    return message.get("id") == "ask" and ("epoch" in message or "offset" not in message)


async def ask(target: Target, command: Mapping[str, Any], patience_s: float = PATIENCE_S) -> str:
    """Send a command, which names itself (`key`, `message_id`) if it has an effect, until its reply comes. Returns the
    reply's text. Raises ClientError."""
    async with dialing() as dial:
        return await ask_again(dial, target, command, patience_s)


async def ask_again(dial: Dial, target: Target, command: Mapping[str, Any], patience_s: float = PATIENCE_S) -> str:
    """`ask` with connections of somebody else's."""
    pause, last = Pause(), "no answer in time"
    try:
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    link = await dial.socket(target.socket_url, target.token)
                    try:
                        return await ask_over(link, command)
                    finally:
                        await link.close()
                except RefusedError as refusal:
                    raise_if_final(refusal, target)
                    last = refusal.reason
                    await asyncio.sleep(pause.next_s(refusal.wait_s))
    except TimeoutError:
        raise ClientError(f"{target.socket_url}: {last}", EXIT_UNREACHABLE) from None


def raise_if_foreign(target: Target, status: int, answer: Message) -> None:
    """Raise ClientError if somebody else than a gateway answered: a proxy, or another server."""
    if not is_foreign(answer):
        return
    if status in DENIED:
        raise ClientError(f"{target.base_url}: status {status}: this token is not let in", EXIT_NOT_ALLOWED)
    raise ClientError(f"{target.base_url}: status {status}: no gateway is there", EXIT_UNREACHABLE)


async def call_api(dial: Dial, target: Target, method: str, path: str, body: bytes | None = None) -> Message:
    """The answer of the HTTP API to one request. `body` is JSON. Raises ClientError."""
    try:
        status, answer = await dial.call(method, f"{target.base_url}{path}", target.token, body)
    except RefusedError as refusal:
        raise ClientError(f"{target.base_url}: {refusal.reason}", EXIT_UNREACHABLE) from refusal
    raise_if_foreign(target, status, answer)
    if status not in DONE:
        code = EXIT_NOT_ALLOWED if status in DENIED else EXIT_FAILED
        raise ClientError(f"{answer.get('code')}: {answer.get('message')}", code)
    return answer


async def publish_again(dial: Dial, target: Target, project_id: str, body: bytes, key: str | None) -> Message:
    """Publish an object over the HTTP API, where no rate applies, until it is confirmed. Without a `key` its
    `producer` and `sequence` are the key. Returns the confirmation. Raises ClientError."""
    url = f"{target.base_url}/api/v1/projects/{project_id}/messages"
    pause, last = Pause(), "no answer in time"
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    status, answer = await dial.call("POST", url, target.token, body, key)
                    if status < SERVER_FAULT:  # a load balancer without a target says so with one
                        raise_if_foreign(target, status, answer)
                    if status == HTTP_OK:
                        return answer
                    raise_error(answer)
                except RefusedError as refusal:
                    last = refusal.reason
                    await asyncio.sleep(pause.next_s(refusal.wait_s))
    except TimeoutError:
        raise ClientError(f"{target.base_url}: {last}", EXIT_UNREACHABLE) from None


async def name_of_node(dial: Dial, target: Target) -> str:
    """The `node_id` of the node that answers. Raises ClientError."""
    try:
        link = await dial.socket(target.socket_url, target.token)
        try:
            return str((await link.receive())["node_id"])
        finally:
            await link.close()
    except RefusedError as refusal:
        raise_if_final(refusal, target)
        raise ClientError(f"{target.socket_url}: {refusal.reason}", EXIT_UNREACHABLE) from refusal


def read_json(text: str) -> msgspec.Raw:
    """A JSON value as somebody typed it; `-` reads it from stdin. It is sent as it is. Raises ValueError."""
    text = sys.stdin.read() if text == "-" else text
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as fault:
        raise ValueError(f"it is no JSON: {fault}") from fault
    return msgspec.Raw(text.strip().encode())


def run_client(work: Coroutine[Any, Any, int], name: str) -> int:
    """Run what a command does. Returns its exit code, after one line on stderr if it failed."""
    try:
        return uvloop.run(work)
    except ClientError as fault:
        sys.stderr.write(f"websocket-handler {name}: {fault}\n")
        return fault.exit_code

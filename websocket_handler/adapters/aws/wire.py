"""The one client of SQS and DynamoDB: forwards, updates, segments, reads and records of connections all go this way.

So one set of rules holds for all of them: the clock, the credentials, the deadlines, and what an error means. The SDK's
layers would cost ten times what such a request costs. The SDK still says where a service is, for which region to sign,
with which credentials, and whom to trust. It carries out the operations of other services, and all of them behind a
proxy or at an endpoint with a path: by the same clock, with the same credentials.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from websocket_handler.adapters.aws.answers import error_of, result_of
from websocket_handler.adapters.aws.begun_call import BegunCall
from websocket_handler.adapters.aws.errors import AwsError, Fault, meaning_of_answer
from websocket_handler.adapters.aws.http_connections import Answer, ConnectionLimits, HttpConnections
from websocket_handler.adapters.aws.sdk import Aws, Endpoint
from websocket_handler.adapters.aws.shared_work import SharedWork
from websocket_handler.adapters.aws.sigv4 import Signer
from websocket_handler.adapters.overload.lag import PatientTimeouts

TARGETS: Final[Mapping[str, Mapping[str, str]]] = {
    "sqs": {
        "send_message_batch": "AmazonSQS.SendMessageBatch",
        "receive_message": "AmazonSQS.ReceiveMessage",
        "delete_message_batch": "AmazonSQS.DeleteMessageBatch",
        "change_message_visibility_batch": "AmazonSQS.ChangeMessageVisibilityBatch",
        "get_queue_attributes": "AmazonSQS.GetQueueAttributes",
    },
    "dynamodb": {
        "put_item": "DynamoDB_20120810.PutItem",
        "batch_write_item": "DynamoDB_20120810.BatchWriteItem",
        "query": "DynamoDB_20120810.Query",
        "delete_item": "DynamoDB_20120810.DeleteItem",
    },
}
"""AWS's names for what this client sends, by service and operation. Each of them may be carried out twice: a segment is
written only where there is none, records describe the present state, a task carries its message id, a message that was
received twice is published once, and the others change nothing the second time."""
ANSWER_BYTES_MAX: Final[Mapping[str, int]] = {"receive_message": 41_943_040, "query": 8_388_608}
"""Ten messages of 1 MiB, whose JSON may have three times as many bytes, and more; a page of 1 MiB in base64."""
_PORTS: Final = {"http": 80, "https": 443}
_encode: Final = msgspec.json.Encoder().encode  # bytes in base64, as the protocol has them


@dataclass(frozen=True, slots=True)
class _Way:
    """What the light client needs to reach a service."""

    signers: Mapping[str, Signer]
    """By operation."""
    connections: HttpConnections


class AwsWire:
    """An `AwsCall` over `Aws`, with its clock and its credentials. It is closed with `aws`."""

    def __init__(self, aws: Aws, limits: ConnectionLimits | None = None) -> None:
        self._aws = aws
        self._limits = limits or ConnectionLimits()
        self._ways: dict[str, _Way | None] = {}
        """By service; None if the SDK has to be used."""
        self._openings = {service: SharedWork(partial(self._open, service)) for service in TARGETS}
        self._deadlines: dict[float, PatientTimeouts] = {}
        """By their length. The adapters' options name the few lengths that there are."""
        self._is_closed = False
        aws.at_close(self._end)

    async def open(self, service: str) -> None:
        """Find the way to a service and get credentials, so that the first call finds both. Raises AwsError."""
        if await self._way(service) is None:
            await self._aws.open(service)
        await self._aws.at_hand.get()

    async def close(self) -> None:
        """End every connection, and close the SDK's clients."""
        await self._aws.close()

    def begin(
        self,
        service: str,
        operation: str,
        timeout_s: float,
        parameters: Mapping[str, Any],
        ended: Callable[[BegunCall], None],
    ) -> BegunCall | None:
        """See `AwsBegin`."""
        way = self._ways.get(service)
        if way is None or operation not in way.signers:
            return None
        credentials = self._aws.at_hand.at_hand()
        if credentials is None:
            return None
        connection = way.connections.take()
        if connection is None:
            return None
        body, clock = _encode(parameters), self._aws.clock
        request = way.signers[operation].request(body, credentials, clock.now())
        begun = BegunCall(operation, body, clock.skew_s, self._timeouts(timeout_s), ended)
        begun.write(connection, way.connections, request, ANSWER_BYTES_MAX.get(operation))
        return begun

    async def call(
        self, service: str, operation: str, timeout_s: float, begun: Any = None, **parameters: Any
    ) -> dict[str, Any]:
        """See `AwsCall`. `begun` is the `BegunCall` of this attempt, if it has ended without a result."""
        if operation not in TARGETS.get(service, ()):
            return await self._aws.call(service, operation, timeout_s, **parameters)
        try:
            async with self._timeouts(timeout_s).begin(None if begun is None else begun.deadline):
                way = self._ways.get(service) or await self._way(service)
                if way is None:
                    return await self._aws.call(service, operation, timeout_s, **parameters)
                if begun is None:
                    return await self._send(way, operation, _encode(parameters))
                return await self._result(way, operation, begun.body, begun.skew_s, begun.answer())
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None
        except OSError as error:
            raise AwsError(Fault.TRANSIENT, type(error).__name__, str(error)) from None

    def _timeouts(self, timeout_s: float) -> PatientTimeouts:
        shared = self._deadlines.get(timeout_s)
        if shared is None:
            shared = self._deadlines[timeout_s] = PatientTimeouts(timeout_s)
        return shared

    async def _end(self) -> None:
        self._is_closed = True
        for way in self._ways.values():
            if way is not None:
                way.connections.close()
        self._ways.clear()
        for opening in self._openings.values():
            await opening.close()

    async def _way(self, service: str) -> _Way | None:
        """The way to a service, or None if the SDK has to be used. Raises AwsError."""
        if self._is_closed:
            raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping")
        if service not in self._ways:
            return await self._openings[service].done()
        return self._ways[service]

    async def _open(self, service: str) -> _Way | None:
        endpoint = await self._aws.endpoint(service)
        self._ways[service] = await self._way_to(service, endpoint) if _is_plain(endpoint) else None
        return self._ways[service]

    async def _way_to(self, service: str, endpoint: Endpoint) -> _Way:
        parts = urlsplit(endpoint.url)
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        name = f"[{host}]" if ":" in host else host
        if port != _PORTS[parts.scheme]:
            name = f"{name}:{port}"
        tls = None
        if parts.scheme == "https":  # reading the authorities takes milliseconds
            tls = await asyncio.to_thread(ssl.create_default_context, cafile=endpoint.certificates)
        signers = {
            operation: Signer(name, endpoint.region, service, target) for operation, target in TARGETS[service].items()
        }
        return _Way(signers, HttpConnections(host, port, tls, self._limits))

    async def _send(self, way: _Way, operation: str, body: bytes) -> dict[str, Any]:
        return await self._result(way, operation, body, self._aws.clock.skew_s, self._ask(way, operation, body))

    async def _result(
        self, way: _Way, operation: str, body: bytes, skew_s: float, asked: Awaitable[Answer]
    ) -> dict[str, Any]:
        """What the answer says to a request that was signed when the clock's skew was `skew_s`. If AWS refused it
        because of its time, AWS is asked once more. Raises AwsError."""
        answer = await asked
        if answer.status >= 300:
            fault = meaning_of_answer(error_of(answer))
            self._aws.at_hand.refused(fault.code)
            date = answer.headers.get(b"date", b"").decode("latin-1")
            if not self._aws.clock.was_wrong(fault.code, date, skew_s):
                raise fault
            answer = await self._ask(way, operation, body)  # AWS did not carry it out
            if answer.status >= 300:
                raise meaning_of_answer(error_of(answer))
        try:
            return result_of(operation, answer.body)
        except ValueError as error:
            raise AwsError(Fault.TRANSIENT, "ResponseParserError", str(error)) from None

    async def _ask(self, way: _Way, operation: str, body: bytes) -> Answer:
        credentials = self._aws.at_hand.at_hand() or await self._aws.at_hand.get()
        request = way.signers[operation].request(body, credentials, self._aws.clock.now())
        return await way.connections.ask(request, ANSWER_BYTES_MAX.get(operation))


def _is_plain(endpoint: Endpoint) -> bool:
    parts = urlsplit(endpoint.url)
    is_direct = not endpoint.has_proxy and parts.scheme in _PORTS and bool(parts.hostname)
    return is_direct and parts.path in {"", "/"} and not parts.query

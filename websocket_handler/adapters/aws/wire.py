"""The light client: it writes what the gateway writes all the time, which is tasks to SQS, and segments of logs and
records of connections to DynamoDB. The SDK's layers would cost ten times what such a request costs.

The SDK still says where a service is, for which region to sign, with which credentials, and whom to trust. The SDK
carries out every other operation, and these too behind a proxy or at an endpoint with a path.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any, Final, NotRequired, TypedDict
from urllib.parse import urlsplit

import msgspec

from websocket_handler.adapters.aws.credentials import CredentialsAtHand
from websocket_handler.adapters.aws.errors import AwsError, Fault, meaning_of_answer
from websocket_handler.adapters.aws.http_connections import Answer, ConnectionLimits, HttpConnections
from websocket_handler.adapters.aws.sdk import Aws, Endpoint
from websocket_handler.adapters.aws.sigv4 import Signer

TARGETS: Final[Mapping[str, Mapping[str, str]]] = {
    "sqs": {"send_message_batch": "AmazonSQS.SendMessageBatch"},
    "dynamodb": {
        "put_item": "DynamoDB_20120810.PutItem",
        "batch_write_item": "DynamoDB_20120810.BatchWriteItem",
    },
}
"""AWS's names for what the light client sends, by service and operation. Each of them may be carried out twice: a
segment is written only where there is none, records describe the present state, and a task carries its message id."""
SKEW_S_MIN: Final = 60.0
"""AWS accepts minutes of difference. If the clocks differ by less than this, the time was not the fault."""
_CLOCK_CODES: Final = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_STALE_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})
_PORTS: Final = {"http": 80, "https": 443}


class _Taken(TypedDict):
    Id: str
    MessageId: str


class _Failed(TypedDict):
    Id: str
    Code: NotRequired[str]
    Message: NotRequired[str | None]
    SenderFault: NotRequired[bool]


class _Result(TypedDict):
    Successful: NotRequired[list[_Taken] | None]
    Failed: NotRequired[list[_Failed] | None]


_encode: Final = msgspec.json.Encoder().encode  # bytes in base64, as the protocol has them
_DECODERS: Final[Mapping[str, Callable[[bytes], Mapping[str, Any]]]] = {
    "sqs": msgspec.json.Decoder(_Result).decode,
    "dynamodb": msgspec.json.Decoder(dict[str, Any]).decode,
}


@dataclass(frozen=True, slots=True)
class _Way:
    """What the light client needs to reach a service."""

    signers: Mapping[str, Signer]
    """By operation."""
    connections: HttpConnections
    decode: Callable[[bytes], Mapping[str, Any]]


class AwsWire:
    """An `AwsCall` beside `Aws.call`. It is closed with `aws`. `now` gives seconds since the epoch."""

    def __init__(self, aws: Aws, limits: ConnectionLimits | None = None, now: Callable[[], float] = time.time) -> None:
        self._aws = aws
        self._limits = limits or ConnectionLimits()
        self._now = now
        self._skew_s = 0.0
        """By how many seconds AWS's clock is ahead of ours."""
        self._credentials = CredentialsAtHand(aws.credentials, time.monotonic)
        self._ways: dict[str, _Way | None] = {}
        """By service; None if the SDK has to be used."""
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """One attempt of one operation, answered within `timeout_s` seconds. Raises AwsError. Safe to cancel:
        the connection of a cancelled call is not used again."""
        way = None
        if operation in TARGETS.get(service, ()):
            way = self._ways.get(service) or await self._open(service)
        if way is None:
            return await self._aws.call(service, operation, timeout_s, **parameters)
        body = _encode(parameters)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send(way, operation, body)
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None
        except OSError as error:
            raise AwsError(Fault.TRANSIENT, type(error).__name__, str(error)) from None
        except msgspec.DecodeError as error:
            raise AwsError(Fault.TRANSIENT, "ResponseParserError", str(error)) from None

    async def close(self) -> None:
        """End every connection. `Aws.close` does it."""
        self._is_closed = True
        for way in self._ways.values():
            if way is not None:
                way.connections.close()
        self._ways.clear()
        await self._credentials.close()

    async def _open(self, service: str) -> _Way | None:
        """The way to a service, or None if the SDK has to be used. Raises AwsError."""
        async with self._opening:
            if self._is_closed:
                raise AwsError(Fault.TRANSIENT, "Closed", "the gateway is stopping")
            if service not in self._ways:
                endpoint = await self._aws.endpoint(service)
                way = await self._way_to(service, endpoint) if _is_plain(endpoint) else None
                if not any(self._ways.values()):
                    self._aws.at_close(self.close)
                self._ways[service] = way
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
        return _Way(signers, HttpConnections(host, port, tls, self._limits), _DECODERS[service])

    async def _send(self, way: _Way, operation: str, body: bytes) -> dict[str, Any]:
        skew_s = self._skew_s
        answer = await self._ask(way, operation, body, skew_s)
        if answer.status >= 300:
            fault = meaning_of_answer(_error(answer))
            if fault.code in _STALE_CODES:
                self._credentials.forget()
            if fault.code not in _CLOCK_CODES or not self._has_set_clock(answer, skew_s):
                raise fault
            answer = await self._ask(way, operation, body, self._skew_s)  # AWS did not carry it out
            if answer.status >= 300:
                raise meaning_of_answer(_error(answer))
        result = way.decode(answer.body)
        return {name: entries for name, entries in result.items() if entries}

    async def _ask(self, way: _Way, operation: str, body: bytes, skew_s: float) -> Answer:
        credentials = self._credentials.at_hand() or await self._credentials.get()
        return await way.connections.ask(way.signers[operation].request(body, credentials, self._now() + skew_s))

    def _has_set_clock(self, answer: Answer, skew_s: float) -> bool:
        """True if a request that was signed `skew_s` ahead had the wrong time. Then this sets the right one."""
        try:
            date = parsedate_to_datetime(answer.headers.get(b"date", b"").decode("ascii")).timestamp()
        except ValueError:
            return False
        found_s = date - self._now()
        if abs(found_s - skew_s) < SKEW_S_MIN:
            return False
        self._skew_s = found_s
        return True


def _is_plain(endpoint: Endpoint) -> bool:
    parts = urlsplit(endpoint.url)
    is_direct = not endpoint.has_proxy and parts.scheme in _PORTS and bool(parts.hostname)
    return is_direct and parts.path in {"", "/"} and not parts.query


def _error(answer: Answer) -> dict[str, Any]:
    """An error answer as the SDK gives it."""
    metadata: dict[str, Any] = {"HTTPStatusCode": answer.status}
    if request_id := answer.headers.get(b"x-amzn-requestid"):
        metadata["RequestId"] = request_id.decode("latin-1")
    text = answer.body.strip()
    if answer.status >= 500 and (not text or text.startswith(b"<html>")):
        error = {"Code": str(answer.status), "Message": responses.get(answer.status, "")}
        return {"Error": error, "ResponseMetadata": metadata}
    details = _details(text)
    code = str(details.get("__type", answer.status)).split(":", 1)[0].rsplit("#", 1)[-1]
    error = {"Code": code, "Message": str(details.get("message", details.get("Message", "")))}
    query_code, separator, kind = answer.headers.get(b"x-amzn-query-error", b"").decode("latin-1").partition(";")
    if query_code and separator and ";" not in kind:
        error |= {"Code": query_code, "QueryErrorCode": code, "Type": kind}
    told = {name: value for name, value in details.items() if name == "Item"}
    return {**told, "Error": error, "ResponseMetadata": metadata}


def _details(text: bytes) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        details = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"message": text.decode("utf-8", "replace")}
    return details if isinstance(details, dict) else {}

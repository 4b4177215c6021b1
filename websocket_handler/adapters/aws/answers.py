"""What the answers of SQS and DynamoDB say, in the form that the SDK gives them."""

import json
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, Final, NotRequired, TypedDict

import msgspec

from websocket_handler.adapters.aws.http_connections import Answer


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


class _Value(TypedDict, total=False):
    """The types that the gateway's own items have."""

    S: str
    N: str
    B: bytes
    """Base64, as the protocol has it; decoded here."""


class _Page(TypedDict):
    Items: list[dict[str, _Value]]
    LastEvaluatedKey: NotRequired[dict[str, _Value]]


_decode_any: Final = msgspec.json.Decoder(dict[str, Any]).decode


def _decode_messages(text: bytes) -> Mapping[str, Any]:
    """A message may have half of a surrogate pair, which msgspec refuses; nobody else's message may stay behind it."""
    try:
        return _decode_any(text)
    except msgspec.DecodeError:
        decoded = json.loads(text)
        if not isinstance(decoded, dict):
            raise
        return decoded


_DECODERS: Final[Mapping[str, Callable[[bytes], Mapping[str, Any]]]] = {
    "send_message_batch": msgspec.json.Decoder(_Result).decode,
    "receive_message": _decode_messages,
    "query": msgspec.json.Decoder(_Page).decode,
}
"""By operation, where a form is to be checked or bytes are to be decoded."""


def result_of(operation: str, text: bytes) -> dict[str, Any]:
    """What the text of an answer says. Raises ValueError unless it has the operation's form."""
    result = _DECODERS.get(operation, _decode_any)(text)
    if operation == "query":
        return dict(result)
    return {name: entries for name, entries in result.items() if entries}


def error_of(answer: Answer) -> dict[str, Any]:
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

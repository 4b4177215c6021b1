"""Errors as HTTP responses: the headers that belong to a status, the error object, and the bytes of HTTP/1.1."""

import json
from typing import Any, Final

import pytest

from tests.support.spec_files import is_valid, named, vectors
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import http_error, last_response

ALWAYS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store"}
RETRY: Final = {**ALWAYS, "Retry-After": "1"}
HEADERS: Final = {
    401: {**ALWAYS, "WWW-Authenticate": "Bearer"},
    426: {**ALWAYS, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
    429: RETRY,
    503: RETRY,
}


@pytest.mark.parametrize("code", ErrorCode)
def test_a_response_has_the_headers_of_its_status_and_no_others(code: ErrorCode) -> None:
    fault = CommandError(code, "text")
    error = http_error(fault)
    assert error.status == fault.status
    assert error.headers == HEADERS.get(fault.status, ALWAYS)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_last_response_is_whole_and_says_that_the_connection_ends(code: ErrorCode) -> None:
    fault = CommandError(code, 'text with "quotes"\r\nand lines')
    head, _, body = last_response(fault).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith(f"HTTP/1.1 {fault.status} ")
    assert len(headers) == len(lines)
    assert headers.pop("Content-Length") == str(len(body))
    assert headers.pop("Connection") == ("close, Upgrade" if fault.status == 426 else "close")
    assert headers == {name: value for name, value in http_error(fault).headers.items() if name != "Connection"}
    assert is_valid("server-message.json#/$defs/error", body)
    assert json.loads(body)["code"] == code.value


def test_a_response_may_have_another_status_and_gets_the_headers_of_that_one() -> None:
    fault = CommandError(ErrorCode.MESSAGE_TOO_LARGE, "too large")
    assert last_response(fault, status=431).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert http_error(fault, status=503).headers == RETRY
    assert http_error(fault, status=503).status == 503


@pytest.mark.parametrize("vector", vectors("errors"), ids=named)
def test_errors_are_what_the_vectors_say(vector: dict[str, Any]) -> None:
    fault = CommandError(
        ErrorCode(vector["code"]),
        vector["message"],
        command_id=vector.get("id"),
        action=vector.get("action"),
        retry_after_ms=vector.get("retry_after_ms"),
    )
    error = http_error(fault)
    assert error.body.decode() == vector["wire"]
    assert (error.status, error.headers.get("Retry-After")) == (vector["status"], vector.get("retry_after"))
    assert is_valid("server-message.json#/$defs/error", error.body)
    assert json.loads(error.body).get("retry_after_ms") == vector["wait_ms"]


def test_a_status_without_retry_after_gets_none_from_a_hint() -> None:
    assert http_error(CommandError(ErrorCode.INTERNAL, "x", retry_after_ms=5000)).headers == ALWAYS

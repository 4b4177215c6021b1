"""Compressed texts, other charsets and byte order marks on a running gateway: each way in names the cause."""

from __future__ import annotations

import codecs
import gzip
import json
from typing import Final

import pytest

from tests.support.frames import BINARY, RSV1, TEXT, client_frame, deflated, handshake_head
from tests.support.gateway import Gateway, Start
from tests.support.peers import Peer, Raw, http

pytestmark = pytest.mark.usefixtures("open_witness")

MESSAGES: Final = "/api/v1/projects/proj-encodings/messages"
ROUTES: Final = [MESSAGES, "/api/v1/broadcast"]
TEXT_OF_PING: Final = '{"action":"ping","pad":"é"}'
GZIPPED: Final = gzip.compress(TEXT_OF_PING.encode())


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_a_compressed_body_gets_415_that_names_the_coding(open_gateway: Gateway, route: str, coding: str) -> None:
    response = http(open_gateway.port, "POST", route, GZIPPED, content_encoding=coding)
    assert (response.status, response.code) == (415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "identity"
    assert coding.rpartition(" ")[2] in response.json()["message"]
    assert not response.json()["retryable"]


@pytest.mark.parametrize("route", ROUTES)
def test_a_compressed_body_that_says_nothing_of_it_gets_415_too(open_gateway: Gateway, route: str) -> None:
    response = http(open_gateway.port, "POST", route, GZIPPED, content_type="application/json")
    assert (response.status, response.code) == (415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "identity"
    assert "gzip" in response.json()["message"]


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_a_body_in_another_charset_gets_415_declared_or_not(open_gateway: Gateway, name: str) -> None:
    body = json.dumps({"text": "é"}, ensure_ascii=False).encode(name)
    for fields in ({}, {"content_type": f"application/json; charset={name}"}):
        response = http(open_gateway.port, "POST", MESSAGES, body, **fields)
        assert (response.status, response.code) == (415, "unsupported_encoding")
        assert name in response.json()["message"].lower()
        assert "accept-encoding" not in response.headers


def test_a_body_with_a_byte_order_mark_gets_400_that_names_it(open_gateway: Gateway) -> None:
    for body in (b'{"n":1}', b'[{"n":1}]'):
        response = http(open_gateway.port, "POST", MESSAGES, codecs.BOM_UTF8 + body)
        assert (response.status, response.code) == (400, "invalid_json")
        assert "byte order mark" in response.json()["message"]


def test_a_transfer_coding_of_which_the_parser_sees_the_chunks_only_is_refused(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        head = f"POST {MESSAGES} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        raw.send(head.encode() + b"%x\r\n" % len(GZIPPED) + GZIPPED + b"\r\n0\r\n\r\n")
        response = raw.response()
        assert (response.status, response.code) == (415, "unsupported_encoding")
        assert "Transfer-Encoding gzip" in response.json()["message"]


def test_who_asks_first_is_told_before_the_body_is_sent(open_gateway: Gateway) -> None:
    with Raw(open_gateway.port) as raw:
        head = f"POST {MESSAGES} HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n"
        raw.send(head.encode() + b"Expect: 100-continue\r\n\r\n")
        assert raw.read_until(b"\r\n") == b"HTTP/1.1 415 Unsupported Media Type\r\n"
        assert raw.is_ended()


def test_a_plain_body_is_taken_however_plain_is_said(open_gateway: Gateway) -> None:
    plain = [
        {},
        {"content_encoding": "identity"},
        {"content_type": 'application/json; charset="UTF-8"'},
        {"content_type": "application/x-www-form-urlencoded"},
    ]
    for fields in plain:
        response = http(open_gateway.port, "POST", MESSAGES, '{"text":"é"}'.encode(), **fields)
        assert response.status == 200, (fields, response.body)


OTHER_TEXTS: Final = {
    "gzip": GZIPPED,
    "UTF-16": TEXT_OF_PING.encode("utf-16"),
    "UTF-32": TEXT_OF_PING.encode("utf-32"),
}


@pytest.mark.parametrize("name", OTHER_TEXTS)
@pytest.mark.parametrize("size", [4, 1000])
def test_a_text_message_that_is_not_utf8_ends_with_1007_that_names_the_cause(
    open_gateway: Gateway, name: str, size: int
) -> None:
    """Also in fragments, of which the first is looked at."""
    data = OTHER_TEXTS[name]
    starts = range(0, len(data), size)
    frames = [
        client_frame(0 if start else TEXT, data[start : start + size], fin=start == starts[-1]) for start in starts
    ]
    with Peer.connect(open_gateway.port) as peer:
        peer.raw.send(b"".join(frames))
        end = peer.ended()
    assert end.code == 1007
    assert "not UTF-8" in end.reason
    assert name in end.reason


def test_a_compressed_message_that_holds_another_charset_ends_with_1007_that_names_it(start: Start) -> None:
    with start(COMPRESSION="on") as gateway, Raw(gateway.port) as raw:
        raw.send(handshake_head(sec_websocket_extensions="permessage-deflate"))
        assert raw.response().status == 101
        raw.frame()  # the greeting
        raw.send(client_frame(TEXT, deflated(TEXT_OF_PING.encode("utf-16")), rsv=RSV1))
        opcode, payload = raw.frame()
        assert (opcode, int.from_bytes(payload[:2])) == (8, 1007)
        assert b"UTF-16" in payload


def test_a_byte_order_mark_on_the_socket_is_named_and_the_connection_stays(open_gateway: Gateway) -> None:
    with Peer.connect(open_gateway.port) as peer:
        answer = peer.ask(codecs.BOM_UTF8 + b'{"action":"ping"}')
        assert answer["code"] == "invalid_json"
        assert "byte order mark" in answer["message"]
        assert peer.nothing_is_left()


def test_a_binary_message_gets_the_same_answer_whatever_is_in_it(open_gateway: Gateway) -> None:
    with Peer.connect(open_gateway.port) as peer:
        for data in (b'{"action":"ping"}', *OTHER_TEXTS.values()):
            peer.raw.send(client_frame(BINARY, data))
            assert peer.next()["code"] == "binary_not_supported"
        assert peer.nothing_is_left()

"""The head of an HTTP request: read whole and in pieces, and the rules that every request keeps."""

from collections import deque

import pytest
from hypothesis import example, given
from hypothesis.strategies import from_regex

from tests.support.frames import each_byte
from tests.support.heads import HEAD_BYTES, read_head
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.request_head import TARGET_BYTES_MAX, HeadReader, HeadTooLarge, Target


def lines(*fields: str, first: str = "GET /health HTTP/1.1") -> bytes:
    """A head with a host and these fields."""
    return ("\r\n".join([first, "Host: gateway", *fields]) + "\r\n\r\n").encode("latin-1")


def refusal(*pieces: bytes, bytes_max: int = HEAD_BYTES) -> CommandError:
    """Why a head is refused."""
    reader = HeadReader(bytes_max)
    with pytest.raises(CommandError) as caught:
        deque(map(reader.receive, pieces))
    return caught.value


# Pieces


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
@pytest.mark.parametrize("after", [b"", b"rest\r\n\r\n"])
def test_a_head_is_the_same_in_one_piece_and_in_many(before: bytes, after: bytes) -> None:
    """Empty lines before a request are passed over (RFC 9112 section 2.2)."""
    data = before + lines("Upgrade: websocket") + after
    whole, reader = HeadReader(HEAD_BYTES), HeadReader(HEAD_BYTES)
    expected, found = whole.receive(data), None
    for piece in each_byte(data):
        assert found is None
        found = reader.receive(piece)
        if found is not None:
            break
    assert found == expected
    assert found is not None
    assert reader.rest == b""
    assert whole.rest == after
    assert whole.data == data


@pytest.mark.parametrize("data", [b"", b"\r\n", b"G", b"GET /health HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_that_may_still_become_a_good_one_is_waited_for(data: bytes) -> None:
    assert HeadReader(HEAD_BYTES).receive(data) is None


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x16", "TLS"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"),
        (b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n\r\n", "PROXY protocol"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "PROXY protocol"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "method"),
        (b"hello", "method"),
        (b"get / HTTP/1.1", "method"),
        (b"\x81\x85", "method"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "Content-Length"),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n", "Content-Length"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n", "header"),
        (b"GET / HTTP/1.1\n", "CRLF"),
        (b"GET / HTTP/3.0\r\n", "version"),
    ],
)
def test_what_can_be_no_request_is_refused_at_once_with_the_cause(data: bytes, cause: str) -> None:
    fault = refusal(data)
    assert fault.code is ErrorCode.INVALID_FIELD
    assert cause in fault.message
    assert cause in refusal(*each_byte(data)).message


# Size


@pytest.mark.parametrize("first", ["GET /health HTTP/1.1", "GET /ws HTTP/1.1"])
def test_a_head_of_the_largest_size_is_taken_and_one_byte_more_is_not(first: str) -> None:
    head = lines("X: ", first=first)
    largest = head.replace(b"X: ", b"X: " + b"a" * (1024 - len(head)))
    found = HeadReader(1024).receive(largest + b"more")
    assert found is not None
    assert found.size == len(largest) == 1024
    for data in (largest.replace(b"X: ", b"X: a"), largest.replace(b"X: ", b"X:  ")):
        for sent in (data, data + b"more", data[:1025]):
            fault = refusal(sent, bytes_max=1024)
            assert isinstance(fault, HeadTooLarge)
            assert (fault.code, fault.status) == (ErrorCode.MESSAGE_TOO_LARGE, 431)
            assert "HEAD_BYTES" in fault.message


# Rules


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_only_http_1_is_spoken(version: str) -> None:
    assert version in refusal(lines(first=f"GET / HTTP/{version}")).message


def test_a_request_has_one_host() -> None:
    assert "Host" in refusal(b"GET / HTTP/1.1\r\n\r\n").message
    assert "Host" in refusal(lines("host: gateway")).message
    assert "Host" in refusal(lines("Host: b", first="GET / HTTP/1.0")).message
    assert read_head(b"GET / HTTP/1.0\r\n\r\n").host == ""
    assert read_head(lines()).host == "gateway"


@pytest.mark.parametrize(
    "host", ["", "a", "a-b_c.example", "A.example:80", "a:", "127.0.0.1:8080", "[::1]", "[::1]:80", "xn--bcher-kva.ch"]
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert read_head(f"GET / HTTP/1.1\r\nHost: \t{host} \t\r\n\r\n".encode()).host == host


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "http://a", "a@b", "a:b", "::1", "[::1", "[g]", "a?b", "b\u00fccher.ch"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert "Host" in refusal(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")).message


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        ("/", "/", "", "gateway"),
        ("/a%20b?c=%20&d", "/a b", "c=%20&d", "gateway"),
        ("/a?", "/a", "", "gateway"),
        ("//a", "//a", "", "gateway"),
        ("*", "*", "", "gateway"),
        ("http://other", "/", "", "other"),
        ("http://other?x=1", "/", "x=1", "other"),
        ("HTTPS://Other:443/a?b", "/a", "b", "Other:443"),
        ("ws://[::1]:80/ws", "/ws", "", "[::1]:80"),
        ("wss://other/ws", "/ws", "", "other"),
    ],
)
def test_a_target_in_every_form(target: str, path: str, query: str, host: str) -> None:
    head = read_head(lines(first=f"GET {target} HTTP/1.1"))
    assert (head.target.path, head.target.query, head.host) == (path, query, host)
    origin_form = read_head(lines(first=f"GET {head.target.origin_form.decode()} HTTP/1.1"))
    assert (origin_form.target.path, origin_form.target.query, origin_form.host) == (path, query, "gateway")


@given(target=from_regex(r"/[A-Za-z0-9._~/-]*(\?[A-Za-z0-9._~/:=&,+-]*)?", fullmatch=True))
@example(target="/ws?project_id=p").via("what most clients ask for")
@example(target="//a/../b?")
@example(target="/")
def test_a_target_that_needs_no_decoding_is_read_as_in_its_other_form(target: str) -> None:
    plain = read_head(lines(first=f"GET {target} HTTP/1.1")).target
    parsed = read_head(lines(first=f"GET http://other{target} HTTP/1.1")).target
    assert plain == Target(parsed.path, parsed.query, parsed.origin_form, authority="")
    assert parsed.authority == "other"


@pytest.mark.parametrize(
    "target",
    ["/\u00f6", "?x", "ws://", "http:///a", "http://u@other/", "http://u:p@other/", "ftp://other/", "http://a:99999/"],
)
def test_a_target_that_cannot_be_read_is_refused(target: str) -> None:
    assert refusal(lines(first=f"GET {target} HTTP/1.1")).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("target", ["other:443", "/health", "http://other/", "*", "/ws"])
@pytest.mark.parametrize("field", ["X: a", "Upgrade: websocket"])
def test_connect_is_refused(target: str, field: str) -> None:
    assert "no proxy" in refusal(lines(field, first=f"CONNECT {target} HTTP/1.1")).message


@pytest.mark.parametrize("offer", [[], ["Connection: Upgrade", "Upgrade: h2c"]])
@pytest.mark.parametrize("coding", ["identity", "gzip", "chunked, gzip", "xchunked", "", "chunked;q=1"])
def test_the_last_transfer_coding_is_chunked_whatever_is_offered(offer: list[str], coding: str) -> None:
    fault = refusal(lines(f"Transfer-Encoding: {coding}", *offer))
    assert fault.code is ErrorCode.INVALID_FIELD
    assert "Transfer-Encoding" in fault.message
    assert read_head(lines("Transfer-Encoding: gzip", "Transfer-Encoding: Chunked", *offer)).method == "GET"


def test_a_target_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    """A parser that counts in 16 bits would divide a longer one at the wrong places."""
    largest = "/?" + "a" * (TARGET_BYTES_MAX - 2)
    assert len(read_head(lines(first=f"GET {largest} HTTP/1.1"), bytes_max=100_000).target.query) == 65_533
    fault = refusal(lines(first=f"GET {largest}a HTTP/1.1"), bytes_max=100_000)
    assert (fault.code, fault.status) == (ErrorCode.MESSAGE_TOO_LARGE, 414)
    assert "65535" in fault.message


@pytest.mark.parametrize("field", ["X-Value: a b", "x-value:a b", "X-VALUE: \t a b \t "])
def test_names_have_any_case_and_values_have_no_white_space_around_them(field: str) -> None:
    assert read_head(lines(field)).headers["x-value"] == ["a b"]


def test_no_other_white_space_than_space_and_tab_is_taken_off_a_value() -> None:
    assert read_head(lines("X: \xa0a\x85")).headers["x"] == ["\xa0a\x85"]


def test_a_list_may_stand_in_several_lines_with_empty_elements() -> None:
    head = read_head(lines("Connection: keep-alive ,, Foo", "X: y", "connection: \tUPGRADE"))
    assert [element for element in head.elements("connection") if element] == ["keep-alive", "foo", "upgrade"]
    assert head.elements("upgrade") == []


# Upgrade


@pytest.mark.parametrize("value", ["websocket", "WebSocket", " \twebsocket\t", "h2c, websocket", "websocket,h2c"])
def test_a_list_that_has_websocket_in_any_case(value: str) -> None:
    assert read_head(lines(f"Upgrade: {value}")).wants_websocket
    assert read_head(lines("Upgrade: h2c", f"upgrade:{value}")).wants_websocket


@pytest.mark.parametrize("value", ["", "h2c", "websockets", "web socket", "websocket/13", "x-websocket"])
def test_every_other_upgrade(value: str) -> None:
    assert not read_head(lines(f"Upgrade: {value}")).wants_websocket

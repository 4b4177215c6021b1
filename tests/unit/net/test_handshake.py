"""The opening handshake: every refusal, and what a request may ask for."""

from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis.strategies import from_regex
from websockets.utils import accept_key

from tests.support.heads import read_head
from websocket_handler.net import handshake
from websocket_handler.net.handshake import QUERY_FIELDS_MAX, Handshake, accepted
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.messages import Position, Subscribe


def read_handshake(head: bytes, paths: Sequence[str], *, has_compression: bool = False) -> Handshake:
    """What a head asks for."""
    return handshake.read_handshake(read_head(head), paths, has_compression=has_compression)


KEY = b64encode(b"0123456789abcdef").decode()
USUAL = {
    "Host": "gateway",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(target: str = "/ws", *, first: str = "GET {} HTTP/1.1", more: str = "", **changed: str | None) -> bytes:
    """A request head; `changed` replaces headers (None leaves one out), `more` adds lines."""
    headers: dict[str, str | None] = {**USUAL}
    for name, value in changed.items():
        headers[name.replace("_", "-")] = value
    lines = [first.format(target), *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode("latin-1")


def asked(target: str = "/ws") -> tuple[Subscribe, ...]:
    """What a handshake with this target subscribes to."""
    return read_handshake(head(target), ["/ws"]).subscriptions


def refusal(request: bytes) -> CommandError:
    """Why a handshake is refused."""
    with pytest.raises(CommandError) as caught:
        read_handshake(request, ["/ws"])
    return caught.value


@given(query=from_regex(r"([a-c_]|project_id|since|fold|ticket|=|&|\xe9){0,12}", fullmatch=True))
@example(query="a=b=c&&=d&e")
def test_a_query_that_needs_no_decoding_is_read_as_the_standard_library_reads_it(query: str) -> None:
    assert list(handshake._query_fields(query)) == parse_qsl(query, keep_blank_values=True, errors="strict")


def test_a_usual_handshake() -> None:
    handshake = read_handshake(head(), ["/ws", "/other"])
    assert (handshake.path, handshake.key, handshake.subscriptions) == ("/ws", KEY.encode(), ())
    assert read_handshake(head("/other"), ["/ws", "/other"]).path == "/other"


@pytest.mark.parametrize("value", ["keep-alive, Upgrade", "upgrade", "UPGRADE", "Upgrade,keep-alive", " x ,  upgrade "])
def test_connection_is_a_list_in_any_case(value: str) -> None:
    assert read_handshake(head(Connection=value), ["/ws"]).path == "/ws"


def test_connection_may_stand_in_several_lines() -> None:
    assert read_handshake(head(Connection="keep-alive", more="connection: upgrade\r\n"), ["/ws"]).path == "/ws"


@pytest.mark.parametrize("value", [None, "", "keep-alive", "notupgrade", "upgrade;x"])
def test_a_connection_header_without_upgrade_is_refused(value: str | None) -> None:
    assert refusal(head(Connection=value)).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize(
    "line",
    [
        "upgrade: websocket",
        "UPGRADE:WebSocket",
        "Upgrade: \t websocket \t",
        "Upgrade: h2c, websocket",
        "Upgrade: h2c\r\nUpgrade: websocket",
    ],
)
def test_who_wants_a_websocket_is_seen_in_any_spelling(line: str) -> None:
    assert read_head(f"GET /ws HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()).wants_websocket


@pytest.mark.parametrize(
    "line", ["upgrade: h2c", "x-upgrade: websocket", "upgrade: websockets", "x: upgrade: websocket"]
)
def test_everything_else_is_for_the_http_server(line: str) -> None:
    assert not read_head(f"GET /ws HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()).wants_websocket


def test_another_path_is_not_found() -> None:
    for target in ("/", "/ws/", "/WS", "/wsx", "/w%2573", "//ws", "*", "ws://host", "ws://host/", "http://host/ws/"):
        assert refusal(head(target)).code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_only_get_becomes_a_websocket(method: str) -> None:
    assert refusal(head(first=method + " {} HTTP/1.1")).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("version", ["1.0", "0.9", "2.0"])
def test_only_http_1_1_becomes_a_websocket(version: str) -> None:
    assert refusal(head(first="GET {} HTTP/" + version)).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize(
    "request_head",
    [b"hello\r\n\r\n", b"GET /ws\r\n\r\n", b"\x16\x03\x01\r\n\r\n"],
)
def test_what_is_no_request_is_refused(request_head: bytes) -> None:
    assert refusal(request_head).code is ErrorCode.INVALID_FIELD


def test_exactly_one_host_is_needed() -> None:
    assert refusal(head(Host=None)).code is ErrorCode.INVALID_FIELD
    assert refusal(head(more="Host: other\r\n")).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("line", ["Content-Length: 5", "Content-Length: 05", "Transfer-Encoding: chunked"])
def test_a_handshake_has_no_body(line: str) -> None:
    assert refusal(head(more=line + "\r\n")).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("line", ["Content-Length: 0", "content-length:0", "Content-Length: 00"])
def test_a_length_of_zero_is_no_body(line: str) -> None:
    """JDK 17's WebSocket client sends it with every handshake, and proxies pass it on."""
    assert read_handshake(head(more=line + "\r\n"), ["/ws"]).path == "/ws"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("ws://other:81/ws?project_id=a", "other:81"),
        ("http://other/ws?project_id=a", "other"),
        ("HTTP://[::1]:80/ws?project_id=a", "[::1]:80"),
        ("/w%73?project_id=a", "gateway.example"),
    ],
)
def test_a_target_is_read_in_every_form_of_http(target: str, host: str) -> None:
    """RFC 9112 section 3.2.2: a server must take the absolute form, and its authority replaces `Host`."""
    handshake = read_handshake(head(target, Host="gateway.example"), ["/ws"])
    assert (handshake.path, handshake.host) == ("/ws", host)
    assert handshake.subscriptions == (Subscribe(project_id="a"),)


@pytest.mark.parametrize("target", ["/w\u00f6", "?x", "ws://"])
def test_a_target_that_cannot_be_read_is_refused(target: str) -> None:
    assert refusal(head(target)).code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("value", [None, "", "8", "12", "14", "13, 8", "013"])
def test_another_version_is_told_which_one_is_spoken(value: str | None) -> None:
    fault = refusal(head(Sec_WebSocket_Version=value))
    assert fault.code is ErrorCode.UPGRADE_REQUIRED
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in last_response(fault)
    assert refusal(head(more="Sec-WebSocket-Version: 8\r\n")).code is ErrorCode.UPGRADE_REQUIRED


@pytest.mark.parametrize(
    "value",
    [None, "", "x", "!" * 24, b64encode(b"x" * 15).decode(), b64encode(b"x" * 17).decode(), KEY[:-1], "é" + KEY],
)
def test_a_key_is_sixteen_bytes_in_base64(value: str | None) -> None:
    assert refusal(head(Sec_WebSocket_Key=value)).code is ErrorCode.INVALID_FIELD


def test_two_keys_are_refused() -> None:
    assert refusal(head(more=f"Sec-WebSocket-Key: {KEY}\r\n")).code is ErrorCode.INVALID_FIELD


def test_the_answer_proves_that_the_key_was_read() -> None:
    answer = accepted(KEY.encode())
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert f"Sec-WebSocket-Accept: {accept_key(KEY)}\r\n".encode() in answer
    assert answer.endswith(b"\r\n\r\n")
    rfc = accepted(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in rfc, "the example of RFC 6455 section 1.3"


# Extensions

DEFLATE = "permessage-deflate; client_max_window_bits"


def test_compression_is_agreed_on_where_it_is_switched_on() -> None:
    request = head(Sec_WebSocket_Extensions=DEFLATE)
    assert read_handshake(request, ["/ws"]).extensions == ""
    agreed = read_handshake(request, ["/ws"], has_compression=True).extensions
    assert agreed == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert read_handshake(head(), ["/ws"], has_compression=True).extensions == ""
    assert f"\r\nSec-WebSocket-Extensions: {agreed}\r\n".encode() in accepted(KEY.encode(), extensions=agreed)
    assert b"Extensions" not in accepted(KEY.encode())


def test_offers_may_stand_in_several_lines() -> None:
    request = head(Sec_WebSocket_Extensions="x-other", more=f"sec-websocket-extensions: {DEFLATE}\r\n")
    assert read_handshake(request, ["/ws"], has_compression=True).extensions


def test_offers_that_cannot_be_read_are_refused_where_they_are_read() -> None:
    request = head(Sec_WebSocket_Extensions="permessage-deflate;")
    with pytest.raises(CommandError) as caught:
        read_handshake(request, ["/ws"], has_compression=True)
    assert caught.value.code is ErrorCode.INVALID_FIELD
    assert read_handshake(request, ["/ws"]).extensions == ""


# The query


def test_projects_and_positions_belong_together_in_their_order() -> None:
    assert asked("/ws?project_id=a&project_id=b&since=e:5") == (
        Subscribe(project_id="a", since=Position("e", 5)),
        Subscribe(project_id="b"),
    )
    assert asked("/ws?since=e:1&project_id=a&since=f%3A2&project_id=b") == (
        Subscribe(project_id="a", since=Position("e", 1)),
        Subscribe(project_id="b", since=Position("f", 2)),
    )


@pytest.mark.parametrize("target", ["/ws", "/ws?", "/ws?other=1", "/ws?project=a", "/ws?a&b&&"])
def test_without_projects_nothing_is_subscribed(target: str) -> None:
    assert asked(target) == ()


def test_from_holds_for_all_projects_of_the_url() -> None:
    assert asked("/ws?project_id=a&from=snapshot&project_id=b") == (
        Subscribe(project_id="a", from_="snapshot"),
        Subscribe(project_id="b", from_="snapshot"),
    )


def test_fold_holds_for_all_projects_of_the_url() -> None:
    assert asked("/ws?project_id=a&fold=true&project_id=b&since=e:5") == (
        Subscribe(project_id="a", since=Position("e", 5), fold=True),
        Subscribe(project_id="b", fold=True),
    )
    assert asked("/ws?project_id=a&fold=false") == (Subscribe(project_id="a"),)


def test_project_ids_may_be_percent_encoded() -> None:
    assert asked("/ws?project_id=a%3Ab%2Ec") == (Subscribe(project_id="a:b.c"),)


@pytest.mark.parametrize("value", ["", ".", "..", "%2E%2E", "a%20b", "a+b", "a%2Fb", "%C3%A9", "p" * 129, "a%00"])
def test_what_is_no_project_id_is_refused(value: str) -> None:
    assert refusal(head(f"/ws?project_id={value}")).code is ErrorCode.INVALID_PROJECT_ID


@pytest.mark.parametrize(
    "query",
    [
        "since=e:1",
        "project_id=a&since=e:1&since=e:2",
        "project_id=a&project_id=a&since=e:1&since=e:2&since=e:3",
        "project_id=a&since=",
        "project_id=a&since=5",
        "project_id=a&since=e:x",
        "project_id=a&fold=",
        "project_id=a&fold=1",
        "project_id=a&from=",
        "project_id=a&from=start",
        "project_id=a&from=snapshot&from=snapshot",
        "project_id=a&from=snapshot&since=e:5",
        "from=snapshots",
        "project_id=a&fold=True",
        "project_id=a&fold=true&fold=true",
        "fold=yes",
        "project_id=a&since=e:9007199254740992",
        "project_id=%FF",
        "&".join(f"x{number}=1" for number in range(QUERY_FIELDS_MAX + 1)),
    ],
)
def test_queries_that_break_their_form_are_refused(query: str) -> None:
    assert refusal(head(f"/ws?{query}")).code is ErrorCode.INVALID_FIELD


def test_a_project_that_stands_twice_counts_once_with_its_first_position() -> None:
    assert asked("/ws?project_id=a&project_id=a") == (Subscribe(project_id="a"),)
    assert asked("/ws?project_id=a&project_id=b&project_id=a&since=e:1&since=e:2&since=e:3") == (
        Subscribe(project_id="a", since=Position("e", 1)),
        Subscribe(project_id="b", since=Position("e", 2)),
    )


@pytest.mark.parametrize("name", ["project_id", "x"])
def test_too_many_query_fields_are_named_as_such(name: str) -> None:
    fault = refusal(head("/ws?" + "&".join([f"{name}=a"] * (QUERY_FIELDS_MAX + 1))))
    assert fault.code is ErrorCode.INVALID_FIELD
    assert f"at most {QUERY_FIELDS_MAX} fields" in fault.message


def test_as_many_query_fields_as_allowed() -> None:
    assert asked("/ws?" + "&".join(["project_id=a"] * QUERY_FIELDS_MAX)) == (Subscribe(project_id="a"),)
    assert asked("/ws?" + "&".join(["x=1"] * (QUERY_FIELDS_MAX - 1) + ["project_id=a"])) == (Subscribe(project_id="a"),)

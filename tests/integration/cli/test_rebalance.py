"""What the command says when the gateway refuses, or is not there, or has no other node."""

import json

import pytest

from tests.support.broken_aws import port_that_says, refused_port
from websocket_handler.__main__ import main


def http(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(text), text)


def test_a_url_that_is_none_of_a_gateway_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebalance", "ftp://127.0.0.1:1"]) == 2
    assert "'ftp://127.0.0.1:1' is no URL of a gateway" in capsys.readouterr().err
    assert main(["rebalance", "http://127.0.0.1:1", "--url", "http://127.0.0.1:2"]) == 2
    assert "both say which gateway" in capsys.readouterr().err


def test_a_gateway_that_is_away_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with refused_port() as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}"]) == 4
    assert "unreachable" in capsys.readouterr().err


def test_what_is_no_gateway_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with port_that_says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK") as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}"]) == 4
    assert "no gateway is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "reason", "code"),
    [
        ("403 Forbidden", {"code": "forbidden", "message": "you may not do this"}, "forbidden: you may not do this", 5),
        ("503 Service Unavailable", [], "status 503", 4),
    ],
)
def test_a_refusal_is_told_in_the_gateways_words(
    status: str, body: object, reason: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with port_that_says(http(status, body)) as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}/"]) == code
    assert reason in capsys.readouterr().err


def test_the_nodes_are_listed_unless_there_is_one_only(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [
        {"node_id": "a", "connections": 70, "draining": False},
        {"node_id": "b", "connections": 0, "draining": True},
    ]
    with port_that_says(http("200 OK", {"nodes": nodes})) as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}", "--seconds", "5"]) == 0
    assert capsys.readouterr().out == (
        "       70 connections on a\n        0 connections on b, which drains\nWithin 5 s the surplus moves.\n"
    )
    with port_that_says(http("200 OK", {"nodes": nodes})) as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"seconds": 60, "nodes": nodes}
    with port_that_says(http("200 OK", {"nodes": []})) as port:
        assert main(["rebalance", f"http://127.0.0.1:{port}"]) == 0
    assert capsys.readouterr().out == "There is one node only: nobody has to move.\n"

"""`make proxies`: everything in this folder runs through each proxy, but for what `direct` names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.direct import BY, BY_ANY, why_direct
from tests.support.gateway import Gateway
from tests.support.peers import Raw, http

HERE = Path(__file__).parent
NAMED = [*BY_ANY, *(test for table in BY.values() for test in table)]


@pytest.mark.parametrize("test", NAMED)
def test_what_is_left_out_exists(test: str) -> None:
    """A test that was renamed runs through the proxies again, until somebody says why not."""
    file, _, name = test.partition("::")
    function, _, case = name.partition("[")
    text = (HERE / file).read_text(encoding="utf-8")
    assert f"def {function}(" in text
    assert not case or f'"{case.removesuffix("]")}"' in text


def test_only_what_is_named_is_left_out() -> None:
    """All cases of a test, or one of them, for every proxy or for one of them."""
    length, handshake = (
        "test_http_api.py::test_a_length_that_is_none_is_refused",
        "test_refusals.py::test_a_bad_handshake_is_refused",
    )
    assert why_direct(f"{length}[-1]", "nginx") == why_direct(f"{length}[x]", "haproxy") == BY_ANY[length]
    assert why_direct(f"{handshake}[no key]", "haproxy")
    assert why_direct(f"{handshake}[no key]", "nginx") is None
    assert why_direct(f"{handshake}[the root]", "haproxy") is None


def test_clients_of_a_gateway_come_the_way_that_the_run_names(gateway: Gateway) -> None:
    """Through the proxy, which answers what is no request with a page of its own; or without one."""
    proxy = os.environ.get("THROUGH")
    own_port = gateway.wait_for_record("node.listening")["port"]
    assert (gateway.port == own_port) == (not proxy)
    assert http(gateway.port, "GET", "/health").body == b"OK"
    with Raw(gateway.port) as raw:
        raw.send(b"no request\r\n\r\n")
        assert raw.response().headers["content-type"].startswith("text/html" if proxy else "application/json")

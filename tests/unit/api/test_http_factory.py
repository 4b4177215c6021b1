"""What makes the protocol of each HTTP socket."""

import asyncio

import pytest
from starlette.applications import Starlette

from tests.support.raw_socket import close_at_once
from websocket_handler.api.http_factory import http_protocol_factory
from websocket_handler.api.http_server import HttpProtocol


@pytest.mark.asyncio
async def test_each_socket_has_a_protocol_of_its_own_that_a_load_balancer_outlives() -> None:
    def never_given_back(_transport: asyncio.Transport, _data: bytes) -> None:
        raise AssertionError

    make = http_protocol_factory(Starlette(), lambda: "today", close_at_once)
    one, other = make(never_given_back), make(never_given_back)
    assert one is not other
    assert isinstance(one, HttpProtocol)
    assert one.timeout_keep_alive == 75

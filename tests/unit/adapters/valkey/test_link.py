"""What the replies to a call mean, for everybody who calls."""

import hiredis
import pytest

from websocket_handler.adapters.valkey.link import Failed, done_or_failed


def test_replies_without_an_error_stay_as_they_are() -> None:
    assert done_or_failed([b"OK", None, 1]) == [b"OK", None, 1]


def test_no_replies_stay_failed() -> None:
    assert done_or_failed(Failed("nobody is there")) == Failed("nobody is there")


def test_one_refused_command_of_several_fails_the_call() -> None:
    assert done_or_failed([b"OK", hiredis.ReplyError("OOM command not allowed")]) == Failed("OOM command not allowed")


@pytest.mark.parametrize("text", ["MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381", "CROSSSLOT Keys differ"])
def test_a_cluster_of_shards_is_named(text: str) -> None:
    answer = done_or_failed([hiredis.ReplyError(text)])
    assert answer == Failed(f"the server is a cluster of several shards, which the gateway cannot use yet: {text}")

"""A question to a gateway: asked again while that is of use, and what it is told else."""

from __future__ import annotations

import io
import json

import pytest

from tests.support.broken_aws import refused_port
from tests.support.lying_gateway import Lie, lying_gateway
from websocket_handler.cli import EXIT_FAILED, EXIT_NOT_ALLOWED, EXIT_UNREACHABLE
from websocket_handler.cli.client.asking import ClientError, Pause, ask, raise_error, read_json
from websocket_handler.cli.target import Target
from websocket_handler.cli.verify.links import RefusedError


def published(key: str) -> dict[str, object]:
    return {"action": "publish", "project_id": "p", "message": {"n": 1}, "key": key}


@pytest.mark.asyncio
async def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key() -> None:
    """The gateway has carried it out, and the connection ended before the reply."""
    async with lying_gateway(Lie.LOSE_ANSWER) as gateway:
        target = Target(gateway.url, "ada")
        offsets = [json.loads(await ask(target, published(f"k{number}")))["offset"] for number in range(1, 7)]
    assert offsets == [1, 2, 3, 4, 5, 6]
    assert len(gateway.keys) == 7
    assert set(gateway.tokens) == {"Bearer ada"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "code"), [(403, EXIT_NOT_ALLOWED), (404, EXIT_UNREACHABLE)])
async def test_a_refused_handshake_that_no_repetition_changes_ends_it(status: int, code: int) -> None:
    async with lying_gateway(status=status) as gateway:
        with pytest.raises(ClientError) as caught:
            await ask(Target(gateway.url, None), published("k"))
    assert caught.value.exit_code == code
    assert f"handshake {status}" in str(caught.value)


@pytest.mark.asyncio
async def test_where_nobody_answers_patience_ends() -> None:
    with refused_port() as port, pytest.raises(ClientError, match="unreachable") as caught:
        await ask(Target(f"ws://127.0.0.1:{port}", None), published("k"), patience_s=0.05)
    assert caught.value.exit_code == EXIT_UNREACHABLE


@pytest.mark.parametrize(("code", "exit_code"), [("forbidden", EXIT_NOT_ALLOWED), ("conflict", EXIT_FAILED)])
def test_errors_of_the_gateway_have_exit_codes(code: str, exit_code: int) -> None:
    with pytest.raises(ClientError) as caught:
        raise_error({"code": code, "message": "why", "retryable": False})
    assert (caught.value.exit_code, str(caught.value)) == (exit_code, f"{code}: why")
    with pytest.raises(RefusedError) as later:
        raise_error({"code": code, "retryable": True, "retry_after_ms": 500})
    assert later.value.wait_s == 0.5


def test_a_pause_is_what_the_gateway_said_or_grows_up_to_a_maximum() -> None:
    pause = Pause()
    assert pause.next_s(3.0) == 3.0
    assert all(0 <= pause.next_s(None) <= 2.0 for _ in range(50))


def test_json_is_sent_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bytes(read_json(' {"n": 1.0} ')) == b'{"n": 1.0}'
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]\n"))
    assert bytes(read_json("-")) == b"[1]"
    with pytest.raises(ValueError, match="it is no JSON"):
        read_json("{")

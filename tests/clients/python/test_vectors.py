"""The Python SDK decides as the vectors of `spec/` say."""

import json
from typing import Any

import pytest

from tests.clients.python.driving import Desk
from tests.support.spec_files import named, vectors
from websocket_handler_client.core.backoff import after_s, delay_s
from websocket_handler_client.core.effects import Reset
from websocket_handler_client.core.endings import may_come_back, understand_refusal, wait_s_of
from websocket_handler_client.core.messages import kind_of, read
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.reading import Place, start_for
from websocket_handler_client.core.update import Update


@pytest.mark.parametrize("vector", vectors("client-messages"), ids=named)
def test_messages(vector: dict[str, Any]) -> None:
    message = read(vector["text"])
    assert (None if message is None else kind_of(message).value) == vector["kind"]


@pytest.mark.parametrize("vector", vectors("client-close-codes"), ids=named)
def test_closes(vector: dict[str, Any]) -> None:
    assert may_come_back(vector["code"], was_announced=vector["sent_away"]) == vector["comes_back"]


@pytest.mark.parametrize("vector", vectors("client-close-codes"), ids=named)
def test_closes_of_a_live_link(vector: dict[str, Any]) -> None:
    desk = Desk()
    link = desk.live()
    if vector["sent_away"]:
        desk.get(link, type="reconnect", reason="draining", after_ms=10_000)
    desk.cut(link, vector["code"])
    assert desk.core.state.name == ("waiting" if vector["comes_back"] else "stopped")
    desk.wait(10)
    assert len(desk.opened) == 1 + vector["comes_back"]


@pytest.mark.parametrize("vector", vectors("client-refusals"), ids=named)
def test_refusals(vector: dict[str, Any]) -> None:
    body = b"<html>" if vector["body"] is None else json.dumps(vector["body"]).encode()
    refusal = understand_refusal(vector["status"], body, vector["retry_after"])
    assert refusal.next.value == vector["next"]
    assert (None if refusal.wait_s is None else round(refusal.wait_s * 1000)) == vector["wait_ms"]
    assert (refusal.wait_s is not None and not refusal.is_exact) == vector["spreads"]


@pytest.mark.parametrize("vector", vectors("client-back-off"), ids=named)
def test_back_off(vector: dict[str, Any]) -> None:
    if "attempt" in vector:
        options = Options()
        wait_s = delay_s(vector["attempt"], vector["random"], options.backoff_base_s, options.backoff_max_s)
    else:
        wait_s = after_s(vector["retry_after_s"], vector["random"])
    assert round(wait_s * 1000) == vector["wait_ms"]


@pytest.mark.parametrize("vector", vectors("errors"), ids=named)
def test_errors(vector: dict[str, Any]) -> None:
    wait_s = wait_s_of(json.loads(vector["wire"]))
    assert (None if wait_s is None else round(wait_s * 1000)) == vector["wait_ms"]


def hand_over(desk: Desk, numbers: dict[int, int]) -> None:
    """Let a link come up: the first one, the one after a cut, or one beside another."""
    if desk.core.state.name == "live":
        beside = max(number for number in numbers.values() if number in desk.core.links)
        desk.get(beside, type="reconnect", reason="draining", after_ms=0)
    desk.wait(4)


def start_in(command: dict[str, Any]) -> dict[str, Any]:
    """What a `subscribe` asks for."""
    return {name: command[name] for name in ("since", "rewind", "from", "fold") if name in command}


@pytest.mark.parametrize("vector", vectors("client-following"), ids=named)
def test_following(vector: dict[str, Any]) -> None:
    desk = Desk(folds=vector.get("fold", False))
    desk.follow(**vector["start"])
    numbers: dict[int, int] = {}
    for step in vector["steps"]:
        desk.given.clear()
        desk.ended.clear()
        link = numbers.get(step["link"], 0)
        if step.get("is") == "opened":
            hand_over(desk, numbers)
            link = numbers[step["link"]] = desk.open()
            assert start_in(desk.asked(link)[0]) == step["asks"]
        elif step.get("is") == "cut":
            desk.cut(link)
        elif step["gets"]["type"] == "subscription_confirmed":
            desk.confirm(link, **{name: value for name, value in step["gets"].items() if name != "type"})
        else:
            desk.get(link, **step["gets"])
        if "asks_again" in step:
            assert start_in(desk.asked(link)[-1]) == step["asks_again"]
        ends = [{"ends": step["link"]}] if "gets" in step and link in desk.ended else []
        assert [*desk.news(), *ends] == step.get("gives", []), step
    assert desk.position == Position(**vector["position"])


def place_of(reader: dict[str, Any]) -> Place:
    """Where a reader of a vector stands."""
    return Place(Position.parse(reader["at"]) if "at" in reader else None, reader.get("rewind"))


@pytest.mark.parametrize("vector", vectors("client-readers"), ids=named)
def test_readers(vector: dict[str, Any]) -> None:
    desk = Desk()
    places = [place_of(reader) for reader in vector["readers"]]
    got: list[list[Any]] = [[] for _ in places]
    desk.follow(**start_for(places))
    link = desk.open()
    asked = {name: value for name, value in desk.asked(link)[0].items() if name in ("since", "rewind")}
    assert asked == vector["request"]
    desk.confirm(link, **vector["confirmed"])
    desk.publish(link, *vector["offsets"])
    for given in desk.given:
        for reader, place in enumerate(places):
            if isinstance(given, Reset) and place.is_void(given.position, given.asked):
                got[reader].append("reset")
            elif isinstance(given, Update) and place.takes(given):
                got[reader].append(given.offset)
    stand = [{"got": news, "at": str(place.position)} for news, place in zip(got, places, strict=True)]
    assert stand == vector["expect"]

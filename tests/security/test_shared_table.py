"""What nodes share is a table: two of them race for the same key, and neither trusts the form of what is there."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demo.resources import TABLE_NAME
from demo.testing import Emulator
from tests.support.gateway import Gateway, Start
from tests.support.peers import Message, Peer, Response, bystander, http

FAR = "99999999999"
"""A time to live that never comes."""


def publish(gateway: Gateway, project_id: str, message: Message, key: str) -> Response:
    """Publish over HTTP."""
    path = f"/api/v1/projects/{project_id}/messages"
    return http(gateway.port, "POST", path, json.dumps(message).encode(), idempotency_key=key)


def both(
    first: Gateway, second: Gateway, project_id: str, messages: tuple[Message, Message], key: str
) -> list[Response]:
    """Publish on two nodes at once."""
    barrier, answers = threading.Barrier(2), dict[int, Response]()

    def one(index: int, gateway: Gateway) -> None:
        barrier.wait()
        answers[index] = publish(gateway, project_id, messages[index], key)

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[0], answers[1]]


@contextmanager
def two_nodes(start: Start) -> Iterator[tuple[Gateway, Gateway]]:
    """On one table."""
    with start(LOG_STORE="dynamodb") as first, start(LOG_STORE="dynamodb") as second:
        yield first, second


def test_the_same_key_from_two_nodes_at_once_is_one_delivery_at_one_position(start: Start) -> None:
    project_id = f"p-{os.urandom(4).hex()}"
    with two_nodes(start) as (first, second):
        publish(first, project_id, {"n": 0}, "key-0")  # from here on the log has an epoch
        followers = [Peer.connect(node.port, f"/ws?project_id={project_id}") for node in (first, second)]
        with followers[0], followers[1], bystander(first.port, {}), bystander(second.port, {}):
            for number in range(1, 21):
                message = {"n": number}
                answers = both(first, second, project_id, (message, message), f"key-{number}")
                assert [answer.status for answer in answers] == [200, 200]
                assert answers[0].body == answers[1].body
                assert answers[0].json()["offset"] == number + 1
            for follower in followers:
                assert follower.next()["type"] == "subscription_confirmed"
                got = [follower.next() for _ in range(20)]
                assert [(message["n"], message["offset"]) for message in got] == [(n, n + 1) for n in range(1, 21)]
                assert follower.nothing_is_left()


def test_the_same_key_with_other_bodies_from_two_nodes_is_one_delivery_and_a_conflict(start: Start) -> None:
    project_id = f"p-{os.urandom(4).hex()}"
    with two_nodes(start) as (first, second), bystander(first.port, {}):
        for number in range(1, 11):
            answers = both(first, second, project_id, ({"from": "first"}, {"from": "second"}), f"key-{number}")
            assert sorted(answer.status for answer in answers) == [200, 409]
            won, lost = sorted(answers, key=lambda answer: answer.status)
            assert won.json()["offset"] == number
            assert lost.code == "conflict"


def items(project_id: str) -> dict[str, dict[str, Any]]:
    """Items in the place of a log's first segment that no version of this gateway wrote."""
    key = {"PK": {"S": f"WS#LOG#{project_id}"}, "SK": {"S": f"{1:020}"}, "ttl": {"N": FAR}}
    whole = {**key, "e": {"S": "epoch"}, "n": {"N": "1"}, "w": {"S": "writer"}, "d": {"B": b"[]"}}
    return {
        "nothing but a key": key,
        "garbage for records": {**whole, "d": {"B": b"\xff\x00 newer"}},
        "records as text": {**whole, "d": {"S": "[]"}},
        "a count that is none": {**whole, "n": {"S": "many"}},
        "no epoch": {name: value for name, value in whole.items() if name != "e"},
    }


@pytest.mark.parametrize("kind", items(""))
def test_an_item_of_another_form_in_a_log_closes_that_project_only_with_a_typed_error(
    emulator: Emulator, start: Start, kind: str
) -> None:
    project_id = f"p-{os.urandom(4).hex()}"
    table = emulator.client("dynamodb")
    table.put_item(TableName=TABLE_NAME, Item=items(project_id)[kind])
    table.close()
    with start(LOG_STORE="dynamodb") as gateway:
        gateway.may_fail = True  # it logs what it met
        with bystander(gateway.port, {}), Peer.connect(gateway.port) as peer:
            for action in ("subscribe", "history", "publish"):
                answer = peer.request(action, project_id=project_id, message={})
                assert (answer["type"], answer["code"]) == ("error", "store_unavailable"), answer
            assert peer.request("ping")["type"] == "pong"
            assert gateway.get("/health") == (200, b"OK")


def test_announcements_of_another_form_are_passed_over_and_other_nodes_are_followed(
    emulator: Emulator, start: Start
) -> None:
    table = emulator.client("dynamodb")
    for name, ttl in {"text": {"S": "soon"}, "list": {"L": []}, "none": None, "fraction": {"N": "1.5"}}.items():
        item = {"PK": {"S": "WS#NODES"}, "SK": {"S": f"newer-{name}"}, "v": {"N": "2"}}
        table.put_item(TableName=TABLE_NAME, Item=item if ttl is None else {**item, "ttl": ttl})
    try:
        project_id = f"p-{os.urandom(4).hex()}"
        with two_nodes(start) as (first, second):
            assert publish(second, project_id, {"n": 0}, "zero").status == 200
            follower = Peer.connect(first.port, f"/ws?project_id={project_id}")
            assert follower.next()["type"] == "subscription_confirmed"
            assert publish(second, project_id, {"n": 1}, "one").status == 200
            assert follower.next()["n"] == 1
            follower.raw.socket.close()
    finally:
        for name in ("text", "list", "none", "fraction"):
            table.delete_item(TableName=TABLE_NAME, Key={"PK": {"S": "WS#NODES"}, "SK": {"S": f"newer-{name}"}})
        table.close()

"""Two tenants whose bytes reach the gateway in the same turn of its loop: neither gets a byte that is the other's.

The gateway is stopped while both send, so that it finds everything waiting when it goes on.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final

import pytest

from demo.testing import Emulator
from tests.security.streams import ask
from tests.support.frames import client_frame as frame
from tests.support.gateway import Gateway, Start, one_turn
from tests.support.peers import Message, Peer, Raw, bystander
from tests.support.publications import SOME_TIME
from tests.support.tokens import GUARDED, token

TURNS: Final = 40
RIGHTS: Final = ["subscribe", "publish", "presence", "forward:*"]
TENANTS: Final = ("crimson", "indigo")


class Tenant:
    """A client with rights on its own projects, that keeps every byte it got."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.name = name
        self.project_id = f"{name}-{os.urandom(4).hex()}"
        self.bearer = token(sub=f"{name}-user", projects=[f"{name}-*"], rights=RIGHTS)
        self.peer = Peer.connect(
            gateway.port, f"/ws?project_id={self.project_id}", authorization=f"Bearer {self.bearer}"
        )
        self.got: list[Message] = [self.peer.greeting, self.peer.next()]

    def commands(self, other: str, turn: int) -> list[dict[str, Any]]:
        """One of each kind, as it may be, and one that reaches for the other tenant's project."""
        mark = f"secret of {self.name} {turn}"
        mine = {"project_id": self.project_id}
        kinds: list[dict[str, Any]] = [
            {"action": "publish", "message": {"text": mark}, **mine},
            {"action": "forward", "type": "dev", "data": {"text": mark}, "message_id": f"{self.name}-{turn}", **mine},
            {"action": "history", **mine},
            {"action": "presence", **mine},
            {"action": "subscribe", **mine},
            {"action": "subscribe", "project_id": other},
            {"action": "publish", "project_id": other, "message": {"text": mark}},
            {"action": "history", "project_id": other},
            {"action": mark},
        ]
        return [{"id": f"{self.name}-{turn}-{index}", **kind} for index, kind in enumerate(kinds)]

    def take(self, ids: set[str]) -> None:
        """Receive until each of these commands has its answer."""
        while ids:
            message = self.peer.next()
            self.got.append(message)
            ids.discard(str(message.get("id")))


@contextmanager
def tenants_of(gateway: Gateway) -> Iterator[list[Tenant]]:
    """Both, and a bystander."""
    with bystander(gateway.port, {"authorization": f"Bearer {token(sub='eve')}"}), ExitStack() as stack:
        tenants = [Tenant(gateway, name) for name in TENANTS]
        for tenant in tenants:
            stack.enter_context(tenant.peer)
        yield tenants


def chunks(data: bytes, chance: random.Random) -> list[bytes]:
    """The bytes in a few pieces, cut anywhere."""
    cuts = sorted(chance.randrange(len(data)) for _ in range(3))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_two_tenants_interleaved_in_one_turn_get_no_foreign_byte(start: Start) -> None:
    chance = random.Random(6)
    settings = {**GUARDED, "COMMANDS_PER_SECOND": "0"}
    with start(**settings) as gateway, tenants_of(gateway) as (red, blue):
        for turn in range(TURNS):
            lots = {red: red.commands(blue.project_id, turn), blue: blue.commands(red.project_id, turn)}
            pieces = []
            for tenant, commands in lots.items():
                chance.shuffle(commands)
                data = b"".join(frame(1, json.dumps(command).encode()) for command in commands)
                pieces.append([(tenant, piece) for piece in chunks(data, chance)])
            with one_turn(gateway):
                for pair in zip(*pieces, strict=True):
                    for tenant, piece in pair:
                        tenant.peer.raw.send(piece)
            for tenant, commands in lots.items():
                tenant.take({command["id"] for command in commands})
        for tenant, other in ((red, blue), (blue, red)):
            assert tenant.peer.nothing_is_left()
            text = json.dumps(tenant.got).replace(other.project_id, "")  # its own refused commands name it
            assert f"secret of {other.name}" not in text
            assert f"{other.name}-" not in text
            answers = {str(message["id"]): message for message in tenant.got if "id" in message}
            assert len(answers) == 9 * TURNS
            forbidden = [message for message in answers.values() if message.get("code") == "forbidden"]
            assert len(forbidden) == 3 * TURNS
            published = [message for message in tenant.got if "offset" in message and "type" not in message]
            assert [message["text"] for message in published] == [f"secret of {tenant.name} {n}" for n in range(TURNS)]


@pytest.mark.parametrize("turn", range(3))
def test_streams_and_polls_of_two_tenants_in_one_turn_get_no_foreign_byte(guarded: Gateway, turn: int) -> None:
    with tenants_of(guarded) as tenants, ExitStack() as stack:
        kinds = ("events", "messages?wait=60")
        raws = {(tenant, kind): stack.enter_context(Raw(guarded.port)) for tenant in tenants for kind in kinds}
        for (tenant, kind), raw in raws.items():
            ask(raw, f"/api/v1/projects/{tenant.project_id}/{kind}", authorization=f"Bearer {tenant.bearer}")
            if kind == "events":
                raw.read_until(b'"recovered":true}\n\n')
        with one_turn(guarded):
            for tenant in tenants:
                command = {"action": "publish", "project_id": tenant.project_id, "message": {"text": tenant.name}}
                tenant.peer.send_text(json.dumps(command))
        for (tenant, kind), raw in raws.items():
            other = next(name for name in TENANTS if name != tenant.name)
            got = raw.read_until(b"}\n\n") if kind == "events" else raw.response().body
            assert b'"text":"%s"' % tenant.name.encode() in got.replace(b": ", b":")
            assert other.encode() not in got


def text_attribute(value: str) -> dict[str, str]:
    """An attribute as SQS has it."""
    return {"DataType": "String", "StringValue": value}


def updates_for_nobody(tenant: Tenant) -> list[dict[str, Any]]:
    """What an agent of a tenant may send by mistake: none of it says for whom it is in a way that can be read."""
    secret, project_id = f"secret of {tenant.name}", tenant.project_id
    text = json.dumps({"text": secret})
    notification = {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:updates", "Message": text}
    event = {"source": "team.qa", "detail-type": "QA results", "detail": {"projectId": project_id, "text": secret}}
    stored = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": secret}}}]}
    bodies = [{"text": secret}, {"text": secret, "projectId": project_id}, {"text": secret, "project_id": None}]
    bodies += [{"text": secret, "broadcast": "true"}, notification, event, stored]
    binary = {"DataType": "Binary", "BinaryValue": project_id.encode()}
    attributes: list[dict[str, dict[str, Any]]] = [
        {"project_id": text_attribute(project_id)},
        {"PROJECTID": text_attribute(project_id)},
    ]
    attributes += [{"ProjectId": binary}, {"Broadcast": text_attribute("True")}, {"broadcast": text_attribute("true")}]
    sent: list[dict[str, Any]] = [{"MessageBody": json.dumps(body)} for body in bodies]
    return sent + [{"MessageBody": text, "MessageAttributes": each} for each in attributes]


def test_an_update_that_names_nobody_is_shown_to_no_tenant(start: Start, emulator: Emulator) -> None:
    with closing(emulator.client("sqs")) as sqs, ExitStack() as stack:
        url = sqs.create_queue(QueueName=f"updates-{os.urandom(4).hex()}")["QueueUrl"]
        gateway = stack.enter_context(start(**GUARDED, SQS_QUEUE_URL_UPDATES=url))
        tenants = stack.enter_context(tenants_of(gateway))
        sent = {
            sqs.send_message(QueueUrl=url, **update)["MessageId"]
            for tenant in tenants
            for update in updates_for_nobody(tenant)
        }
        for update_id in sent:
            gateway.wait_for_record("update.malformed", update_id=update_id)
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
        for tenant in tenants:
            body = json.dumps({"project_id": tenant.project_id, "text": tenant.name})
            sqs.send_message(QueueUrl=url, MessageBody=body)
            added = {"offset": 1, "published_at": SOME_TIME}
            assert tenant.peer.next() == {"project_id": tenant.project_id, "text": tenant.name, **added}
        sqs.send_message(QueueUrl=url, MessageBody='{"broadcast":true,"text":"for all"}')
        for tenant in tenants:
            assert tenant.peer.next() == {"broadcast": True, "text": "for all"}
            assert tenant.peer.nothing_is_left()
        assert sum(int(count) for count in left.values()) == len(sent), "they are left to the redrive policy"

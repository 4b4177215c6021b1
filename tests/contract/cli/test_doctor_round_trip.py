"""A message through a queue and out again, in the emulator; what is not ours goes back at once."""

from collections.abc import Callable
from typing import Any

import pytest

from websocket_handler.cli import doctor_round_trip
from websocket_handler.cli.doctor_checks import Finding
from websocket_handler.cli.doctor_round_trip import ATTEMPTS, PAUSE_S, round_trip

MARK = "doctor-1"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long poll keeps a test waiting."""
    monkeypatch.setattr(doctor_round_trip, "WAIT_S", 0)


class Trip:
    """A round trip, and what it did meanwhile."""

    def __init__(self, sqs: Any, url: str, name: str = "QA") -> None:
        self._sqs = sqs
        self._url = url
        self._name = name
        self.pauses: list[float] = []
        self.looked_for: list[str] = []

    def run(self, was_published: Callable[[str], bool] = lambda _mark: False) -> list[Finding]:
        def looked(mark: str) -> bool:
            self.looked_for.append(mark)
            return was_published(mark)

        return list(round_trip(self._sqs, self._name, self._url, MARK, looked, self.pauses.append))


def bodies(sqs: Any, url: str) -> list[str]:
    """What is in the queue, and can be received at once."""
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", ())]


@pytest.mark.parametrize("kind", ["queue_url", "fifo_url"])
def test_a_message_comes_back_and_leaves_nothing_behind(kind: str, request: pytest.FixtureRequest, sqs: Any) -> None:
    url = request.getfixturevalue(kind)
    trip = Trip(sqs, url)
    (finding,) = trip.run()
    assert finding.kind == "good"
    assert finding.text.startswith("round trip QA: ")
    assert finding.text.endswith(" ms")
    assert (trip.pauses, bodies(sqs, url)) == ([], [])


def test_work_of_others_is_put_back_at_once_and_the_reader_is_told_what_that_costs(sqs: Any, queue_url: str) -> None:
    for index in range(3):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f"work {index}")
    assert [finding.kind for finding in Trip(sqs, queue_url).run()] == ["good", "note"]
    assert sorted(bodies(sqs, queue_url)) == ["work 0", "work 1", "work 2"]


class Thief:
    """SQS, where an agent takes every message before it can be received."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.received = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def receive_message(self, **parameters: Any) -> dict[str, Any]:
        self.received += 1
        url = parameters["QueueUrl"]
        for message in self._sqs.receive_message(QueueUrl=url).get("Messages", ()):
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return {}


def test_a_message_that_somebody_else_took_is_told_after_a_bounded_number_of_attempts(sqs: Any, queue_url: str) -> None:
    thief = Thief(sqs)
    trip = Trip(thief, queue_url)
    (finding,) = trip.run(was_published=lambda _mark: True)
    assert finding.kind == "bad"
    assert (thief.received, trip.pauses) == (ATTEMPTS, [PAUSE_S] * ATTEMPTS)
    assert trip.looked_for == [], "no gateway reads an agent's queue"


def test_an_update_that_a_gateway_took_is_found_where_it_was_published(sqs: Any, queue_url: str) -> None:
    trip = Trip(Thief(sqs), queue_url, "UPDATES")
    (finding,) = trip.run(was_published=lambda mark: mark == MARK and len(trip.looked_for) == 2)
    assert finding.kind == "good"
    assert "a running gateway published it" in finding.text
    assert trip.pauses == [PAUSE_S]

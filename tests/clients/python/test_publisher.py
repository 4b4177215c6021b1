"""The blocking publisher: over HTTP against a gateway in this process, and through a queue that the test scripts."""

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError as AwsError
from botocore.exceptions import EndpointConnectionError

from tests.support.patience import PATIENCE_S
from tests.support.town import town
from websocket_handler_client import ClientError, Position, Publisher, RefusedError, UnansweredError
from websocket_handler_client.publisher import outlet_from
from websocket_handler_client.publishing.http import BATCH_MAX, HttpOutlet
from websocket_handler_client.publishing.sqs import QueueOutlet
from websocket_handler_client.publishing.tries import Tries

Result = TypeVar("Result")


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def let_pass(self, seconds: float) -> None:
        """Pass the time."""
        self.pauses.append(seconds)
        self.now_s += seconds

    def tries(self) -> Tries:
        """Tries on this clock, with a chance of one half."""
        return Tries(self.let_pass, lambda: self.now_s, lambda: 0.5)


def with_gateway(use: Callable[[str], Result]) -> tuple[Result, list[dict[str, Any]]]:
    """Use the address of a gateway in another thread. Returns the result, and what is in the log of `p`."""

    async def both() -> tuple[Result, list[dict[str, Any]]]:
        async with asyncio.timeout(PATIENCE_S), town() as place:
            result = await asyncio.to_thread(use, f"http://127.0.0.1:{place.wire.port}")
            reader, writer = await asyncio.open_connection("127.0.0.1", place.wire.port)
            writer.write(b"GET /api/v1/projects/p/messages?limit=1000 HTTP/1.0\r\nHost: h\r\n\r\n")
            answer = (await reader.read()).partition(b"\r\n\r\n")[2]
            writer.close()
            await writer.wait_closed()
            messages: list[dict[str, Any]] = json.loads(answer)["messages"]
            return result, messages

    return asyncio.run(both())


def test_http_publishes_one_and_many_in_order() -> None:
    def use(url: str) -> list[Position | None]:
        with Publisher(url) as publisher:
            first = publisher.publish("p", {"n": 0, "text": "é"})
            publisher.broadcast({"type": "notice"})
            return [first, *publisher.publish_all("p", ({"n": n} for n in range(1, BATCH_MAX + 51)))]

    positions, messages = with_gateway(use)
    assert [message["n"] for message in messages] == list(range(BATCH_MAX + 51))
    assert [place.offset for place in positions if place] == list(range(1, BATCH_MAX + 52))
    assert "producer" not in messages[0]


def test_http_publishes_the_same_key_once() -> None:
    def use(url: str) -> list[Position | None]:
        with Publisher(url) as publisher:
            many = [{"n": n} for n in range(BATCH_MAX + 5)]
            assert publisher.publish_all("p", many, key="run") == publisher.publish_all("p", many, key="run")
            with pytest.raises(RefusedError, match="conflict"):
                publisher.publish_all("p", many[1:], key="run")
        with Publisher(url) as another:
            return [another.publish("p", {"n": -1}, key="k"), another.publish("p", {"n": -1}, key="k")]

    positions, messages = with_gateway(use)
    assert positions[0] == positions[1]
    assert len(messages) == BATCH_MAX + 6


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], Any]) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """A server that gives these answers in turn; status 0 means that it hangs up. Also: what it was asked."""
    asked: list[tuple[str, str, Any]] = []
    script = iter(answers)

    class Server(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.headers["Idempotency-Key"], self.headers.get("Authorization", ""), content))
            status, headers, body = next(script)
            if status == 0:
                self.close_connection = True
                return
            text = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/base/", asked
        finally:
            server.shutdown()
            thread.join()


CONFIRMED = {"type": "publish_confirmed", "project_id": "p", "epoch": "e1", "offset": 7}
BUSY = {"type": "error", "code": "overloaded", "message": "m", "retryable": True}


def test_http_tries_again_with_the_same_key_and_waits_as_told() -> None:
    clock = Clock()
    hint = {**BUSY, "retry_after_ms": 2500}
    with scripted((0, {}, None), (503, {"Retry-After": "3"}, BUSY), (503, {}, hint), (200, {}, CONFIRMED)) as (
        url,
        asked,
    ):
        tokens = iter("abcd")
        outlet = HttpOutlet(url, lambda: next(tokens), clock.tries())
        with Publisher(outlet=outlet) as publisher:
            assert publisher.publish("p", {"n": 1}) == Position("e1", 7)
    assert clock.pauses == [0.1, 3.5, 2.5]
    assert len({key for key, _, _ in asked}) == 1
    assert [authorization for _, authorization, _ in asked] == [f"Bearer {letter}" for letter in "abcd"]


def test_http_gives_up_when_the_time_is_over() -> None:
    clock = Clock()
    with scripted(*[(503, {"Retry-After": "4"}, BUSY)] * 3) as (url, asked):
        publisher = Publisher(outlet=HttpOutlet(url, tries=clock.tries()), timeout_s=10)
        with pytest.raises(UnansweredError, match="overloaded"):
            publisher.publish("p", {"n": 1})
        publisher.close()
    assert (len(asked), clock.now_s) == (3, 9)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413])
def test_http_does_not_repeat_what_is_refused(status: int) -> None:
    with scripted((status, {}, {**BUSY, "code": "no", "retryable": False})) as (url, asked):
        publisher = Publisher(url)
        with pytest.raises(RefusedError) as raised:
            publisher.publish("p", {"n": 1})
        publisher.close()
    assert (raised.value.code, len(asked)) == ("no", 1)


class ScriptedSqs:
    """Takes batches, unless the script says otherwise: it names the entries that fail, or an error."""

    def __init__(self, *script: Any) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self._script = list(script)

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Like boto3's."""
        self.batches.append(Entries)
        answer = self._script.pop(0) if self._script else {}
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def bodies(self) -> list[dict[str, Any]]:
        """The updates of all batches."""
        return [json.loads(entry["MessageBody"]) for batch in self.batches for entry in batch]


def failing(code: str, *ids: str, is_ours: bool = False) -> dict[str, Any]:
    """An answer in which these entries failed."""
    return {"Failed": [{"Id": name, "Code": code, "SenderFault": is_ours} for name in ids]}


def queue_publisher(sqs: ScriptedSqs, clock: Clock | None = None, url: str = "https://sqs/updates") -> Publisher:
    """A publisher through a queue."""
    return Publisher(outlet=QueueOutlet(url, sqs, (clock or Clock()).tries()))


def test_the_queue_gets_numbered_updates_in_batches() -> None:
    sqs = ScriptedSqs()
    publisher = queue_publisher(sqs)
    assert publisher.publish_all("p", [{"n": n} for n in range(12)]) == [None] * 12
    publisher.publish("q", {"n": 0})
    assert [len(batch) for batch in sqs.batches] == [10, 2, 1]
    numbers = [(body["project_id"], body["n"], body["sequence"]) for body in sqs.bodies()]
    assert numbers == [*(("p", n, n) for n in range(12)), ("q", 0, 0)]
    assert len({body["producer"] for body in sqs.bodies()}) == 1


def test_the_queue_sends_again_what_it_did_not_take() -> None:
    sqs, clock = (
        ScriptedSqs(failing("InternalError", "1"), EndpointConnectionError(endpoint_url="u")),
        Clock(),
    )
    queue_publisher(sqs, clock).publish_all("p", [{"n": 0}, {"n": 1}, {"n": 2}])
    assert [[json.loads(entry["MessageBody"])["n"] for entry in batch] for batch in sqs.batches] == [
        [0, 1, 2],
        [1],
        [1],
    ]
    assert clock.pauses == [0.1, 0.2]


def test_the_queue_refuses_for_good() -> None:
    forbidden = AwsError(
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "SendMessageBatch"
    )
    for script in (forbidden, failing("InvalidMessageContents", "0", is_ours=True)):
        sqs = ScriptedSqs(script)
        publisher = queue_publisher(sqs)
        with pytest.raises(RefusedError):
            publisher.publish("p", {"n": 0})
        publisher.publish("p", {"n": 1})
        first, second = sqs.bodies()
        assert (first["sequence"], second["sequence"]) == (0, 0)
        assert first["producer"] != second["producer"], "a gap would make the gateway wait"


def test_a_key_makes_the_same_update_over_a_queue() -> None:
    sqs = ScriptedSqs()
    for _ in range(2):
        queue_publisher(sqs).publish_all("p", [{"n": 0}, {"n": 1}], key="run 7")
    assert sqs.bodies()[:2] == sqs.bodies()[2:]
    assert [body["sequence"] for body in sqs.bodies()] == [0, 1, 0, 1]


def test_a_fifo_queue_gets_groups_and_names() -> None:
    sqs = ScriptedSqs()
    publisher = queue_publisher(sqs, url="https://sqs/updates.fifo")
    publisher.publish_all("p", [{"n": 0}, {"n": 0}])
    publisher.broadcast({"type": "notice"})
    entries = [entry for batch in sqs.batches for entry in batch]
    assert [entry["MessageGroupId"] for entry in entries] == ["p", "p", "everybody"]
    assert len({entry["MessageDeduplicationId"] for entry in entries}) == 3
    assert sqs.bodies()[2] == {"type": "notice", "broadcast": True}


def test_large_updates_are_parted_by_size() -> None:
    sqs = ScriptedSqs()
    queue_publisher(sqs).publish_all("p", [{"text": "x" * 60_000}] * 5)
    assert [len(batch) for batch in sqs.batches] == [4, 1]
    assert [entry["Id"] for entry in sqs.batches[1]] == ["0"]


def test_the_environment_names_the_way() -> None:
    outlet = outlet_from({"WEBSOCKET_HANDLER_URL": "https://host", "SQS_QUEUE_URL_UPDATES": "https://sqs/updates"})
    assert isinstance(outlet, HttpOutlet)
    with pytest.raises(ValueError, match="SQS_QUEUE_URL_UPDATES"):
        outlet_from({})
    for url in ("ws://host", "host"):
        with pytest.raises(ValueError, match="https://"):
            HttpOutlet(url)
    assert issubclass(UnansweredError, ClientError)

"""Sends a message through a queue and takes it out again: rights, network and encryption allow it, or they do not."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from websocket_handler.cli.doctor_checks import Finding, bad, good, note

ATTEMPTS: Final = 5
WAIT_S: Final = 2
PAUSE_S: Final = 0.2
MARK: Final = "DoctorId"


def round_trip(
    sqs: Any, name: str, url: str, mark: str, was_published: Callable[[str], bool], sleep: Callable[[float], None]
) -> Iterator[Finding]:
    """Send a message with this mark and take it out again. Puts every other message that it receives back at once.

    A running gateway may take the message from the updates queue first. Then the message is a publication of the
    project `mark`, and `was_published` finds it.
    """
    started_at = time.monotonic()
    _send(sqs, name, url, mark)
    others = 0
    for _ in range(ATTEMPTS):
        is_back, received = _take_out(sqs, url, mark)
        others += received
        took_ms = 1000 * (time.monotonic() - started_at)
        if is_back:
            yield good(f"round trip {name}: {took_ms:.0f} ms")
            break
        if name == "UPDATES" and was_published(mark):
            yield good(f"round trip {name}: a running gateway published it after {took_ms:.0f} ms")
            break
        sleep(PAUSE_S)
    else:
        yield bad(f"round trip {name}: the message did not come back; an agent may have taken it, or the queue is long")
    if others:
        yield note(f"round trip {name}: {others} other messages were received and put back; each counts one receive")


def _send(sqs: Any, name: str, url: str, mark: str) -> None:
    group = {"MessageGroupId": mark, "MessageDeduplicationId": f"{mark}-{name}"} if url.endswith(".fifo") else {}
    sqs.send_message(
        QueueUrl=url,
        MessageBody=json.dumps({"type": "doctor", "project_id": mark, "doctor": mark}),
        MessageAttributes={MARK: {"DataType": "String", "StringValue": mark}},
        **group,
    )


def _take_out(sqs: Any, url: str, mark: str) -> tuple[bool, int]:
    """Receive once. Returns True if the marked message was there, and how many others were put back."""
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_S, MessageAttributeNames=[MARK]
    )
    is_back, others = False, 0
    for message in answer.get("Messages", ()):
        handle = message["ReceiptHandle"]
        if message.get("MessageAttributes", {}).get(MARK, {}).get("StringValue") == mark:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
            is_back = True
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
            others += 1
    return is_back, others

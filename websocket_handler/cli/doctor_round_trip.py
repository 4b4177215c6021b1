"""A message through a queue and back: what rights, network and encryption together allow."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from websocket_handler.cli.doctor_checks import Finding, bad, good, note

ATTEMPTS: Final = 5
WAIT_S: Final = 2
MARK: Final = "DoctorId"


def round_trip(
    sqs: Any, name: str, url: str, mark: str, was_published: Callable[[str], bool], sleep: Callable[[float], None]
) -> Iterator[Finding]:
    """Send a marked message and take it out again. Whatever else is received is put back at once.

    In the updates queue a running gateway may be faster: then the message is a publication of the project
    `mark`, which `was_published` looks up.
    """
    body = json.dumps({"type": "doctor", "project_id": mark, "doctor": mark})
    group = {"MessageGroupId": mark, "MessageDeduplicationId": f"{mark}-{name}"} if url.endswith(".fifo") else {}
    started_at = time.monotonic()
    sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={MARK: {"DataType": "String", "StringValue": mark}},
        **group,
    )
    others = 0
    for _ in range(ATTEMPTS):
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_S, MessageAttributeNames=[MARK]
        )
        is_ours = False
        for message in answer.get("Messages", ()):
            handle = message["ReceiptHandle"]
            if message.get("MessageAttributes", {}).get(MARK, {}).get("StringValue") == mark:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                is_ours = True
            else:
                sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
                others += 1
        took_ms = 1000 * (time.monotonic() - started_at)
        if is_ours:
            yield good(f"round trip {name}: {took_ms:.0f} ms")
            break
        if name == "UPDATES" and was_published(mark):
            yield good(f"round trip {name}: published by a running gateway, {took_ms:.0f} ms")
            break
        sleep(0.2)
    else:
        yield bad(f"round trip {name}: the message did not come back; an agent may have taken it, or the queue is long")
    if others:
        yield note(f"round trip {name}: {others} other messages were received and put back; each counts one receive")

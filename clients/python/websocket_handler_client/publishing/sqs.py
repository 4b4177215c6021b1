"""Publishes through the gateway's updates queue. boto3 comes with Lambda, and else with the extra `[sqs]`."""

import hashlib
import json
import os
from typing import Any, Final

from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import RefusedError
from websocket_handler_client.publishing.outlet import Outgoing
from websocket_handler_client.publishing.tries import Tries, TryAgain

BATCH_MAX: Final = 10
BATCH_BYTES_MAX: Final = 250_000
"""Less than the 256 KiB that SQS always allowed for one request."""


def sqs_client() -> Any:
    """A boto3 client with retries, for `AWS_REGION` and the credentials of the environment. Raises ImportError without
    boto3."""
    import boto3  # noqa: PLC0415 - only agents and queue publishers need it
    from botocore.config import Config  # noqa: PLC0415

    config = Config(retries={"mode": "standard", "max_attempts": 3}, max_pool_connections=20)
    return boto3.client("sqs", region_name=os.environ.get("AWS_REGION"), config=config)


class QueueOutlet:
    """Sends to the updates queue, standard or FIFO."""

    needs_numbers = True
    blocks = True

    def __init__(self, queue_url: str, sqs: Any = None, tries: Tries | None = None) -> None:
        self._queue_url = queue_url
        self._sqs = sqs_client() if sqs is None else sqs
        self._tries = tries or Tries()

    def send(self, outgoing: list[Outgoing], timeout_s: float) -> list[Position | None]:
        """Send objects in order, ten at a time. A queue tells no positions."""
        batch: list[dict[str, Any]] = []
        size = 0
        for one in outgoing:
            entry = self._entry(one, str(len(batch)))
            length = len(entry["MessageBody"].encode())
            if batch and (len(batch) == BATCH_MAX or size + length > BATCH_BYTES_MAX):
                self._send_batch(batch, timeout_s)
                batch, size = [], 0
                entry["Id"] = "0"
            batch.append(entry)
            size += length
        if batch:
            self._send_batch(batch, timeout_s)
        return [None] * len(outgoing)

    def close(self) -> None:
        """boto3 keeps its connections to itself."""

    def _entry(self, one: Outgoing, entry_id: str) -> dict[str, Any]:
        whose = {"broadcast": True} if one.project_id is None else {"project_id": one.project_id}
        body = json.dumps({**one.message, **whose}, ensure_ascii=False)
        entry = {"Id": entry_id, "MessageBody": body}
        if self._queue_url.endswith(".fifo"):
            producer, sequence = one.message.get("producer"), one.message.get("sequence")
            name = f"{one.project_id}/{producer}/{sequence}" if producer is not None else body
            entry["MessageGroupId"] = one.project_id or "everybody"
            entry["MessageDeduplicationId"] = hashlib.sha256(name.encode()).hexdigest()
        return entry

    def _send_batch(self, batch: list[dict[str, Any]], timeout_s: float) -> None:
        left = batch

        def attempt() -> None:
            nonlocal left
            left = self._send_once(left)
            if left:
                raise TryAgain(f"the queue did not take {len(left)} of {len(batch)} updates")

        self._tries.until(timeout_s, attempt)

    def _send_once(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns the entries that the queue did not take. Raises RefusedError if it never will."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except ClientError as fault:
            status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            code = fault.response.get("Error", {}).get("Code", "unknown")
            if 400 <= status < 500 and "Throttl" not in code:
                raise RefusedError("queue_refused", f"{code}: {fault}") from fault
            raise TryAgain(str(fault)) from fault
        except BotoCoreError as fault:
            raise TryAgain(str(fault)) from fault
        failed = {failure["Id"]: failure for failure in answer.get("Failed", [])}
        for failure in failed.values():
            if failure["SenderFault"] and "Throttl" not in failure["Code"]:
                raise RefusedError("queue_refused", f"{failure['Code']}: {failure.get('Message', '')}")
        return [entry for entry in entries if entry["Id"] in failed]

"""An agent's queue on SQS. boto3 blocks, so each call has a thread."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from websocket_handler_client.publishing.sqs import sqs_client
from websocket_handler_client.tasks.queue import LeaseLostError, QueueUnavailableError, Received

LOST_CODES: Final = ("ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight")
Result = TypeVar("Result")


class SqsTasks:
    """The queue of one agent, and the way into those of others."""

    def __init__(self, name: str, environment: Mapping[str, str] = os.environ, sqs: Any = None) -> None:
        """`SQS_QUEUE_URL_<NAME>` is the queue's address. Raises ValueError if it is not set."""
        self.hidden_s = 30.0
        self.receives_max: int | None = None
        self._environment = environment
        self._queue_url = self._url_of(name)
        self._sqs = sqs_client() if sqs is None else sqs

    async def look_up(self) -> None:
        """Learn how the queue is set up."""
        names = ["VisibilityTimeout", "RedrivePolicy"]
        answer = await self._call("get_queue_attributes", AttributeNames=names)
        attributes = answer["Attributes"]
        self.hidden_s = float(attributes["VisibilityTimeout"])
        if policy := attributes.get("RedrivePolicy"):
            self.receives_max = int(json.loads(policy)["maxReceiveCount"])

    async def receive(self, count: int, wait_s: float) -> list[Received]:
        """Take messages. The thread is a daemon, because nothing can interrupt a long poll."""
        answer = await in_daemon_thread(
            lambda: self._blocking(
                "receive_message",
                MaxNumberOfMessages=count,
                WaitTimeSeconds=round(wait_s),
                MessageAttributeNames=["All"],
                AttributeNames=["MessageGroupId", "ApproximateReceiveCount"],
            )
        )
        return [_received(message, self._queue_url) for message in answer.get("Messages", [])]

    async def hide(self, handle: str, seconds: float) -> None:
        """Hide a message, or show it."""
        await self._call("change_message_visibility", ReceiptHandle=handle, VisibilityTimeout=round(seconds))

    async def delete(self, handle: str) -> None:
        """Delete a message."""
        await self._call("delete_message", ReceiptHandle=handle)

    async def send(self, agent: str, message_id: str, project_id: str | None, body: str) -> None:
        """Put a task into another agent's queue."""
        url = self._url_of(agent)
        fifo: dict[str, str] = {}
        if url.endswith(".fifo"):
            fifo = {"MessageGroupId": project_id or "none", "MessageDeduplicationId": message_id}
        await self._call("send_message", QueueUrl=url, MessageBody=body, **fifo)

    def _url_of(self, agent: str) -> str:
        variable = f"SQS_QUEUE_URL_{agent.upper()}"
        url = self._environment.get(variable)
        if not url:
            raise ValueError(f"{variable} is not set")
        return url

    async def _call(self, operation: str, **more: Any) -> Any:
        return await asyncio.to_thread(self._blocking, operation, **more)

    def _blocking(self, operation: str, **more: Any) -> Any:
        try:
            return getattr(self._sqs, operation)(**{"QueueUrl": self._queue_url, **more})
        except ClientError as fault:
            if fault.response.get("Error", {}).get("Code", "").rpartition(".")[2] in LOST_CODES:
                raise LeaseLostError(str(fault)) from fault
            raise QueueUnavailableError(str(fault)) from fault
        except BotoCoreError as fault:
            raise QueueUnavailableError(str(fault)) from fault


def _received(message: dict[str, Any], queue_url: str) -> Received:
    system = message.get("Attributes", {})
    attributes = message.get("MessageAttributes", {})
    return Received(
        handle=message["ReceiptHandle"],
        body=message["Body"],
        attributes={name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value},
        group=system.get("MessageGroupId") if queue_url.endswith(".fifo") else None,
        receives=int(system.get("ApproximateReceiveCount", 1)),
    )


async def in_daemon_thread(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, fault: Exception | None) -> None:
        if done.cancelled():
            return
        if fault is not None:
            done.set_exception(fault)
        else:
            done.set_result(result)  # type: ignore[arg-type] # `work` has returned

    def run() -> None:
        result, fault = None, None
        try:
            result = work()
        except Exception as raised:  # noqa: BLE001 - whoever awaits gets it
            fault = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=run, daemon=True, name="websocket_handler_client").start()
    return await done

"""The agents' queues on SQS: one `SendMessageBatch` per attempt."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from websocket_handler.adapters.aws.errors import AwsError, Fault, known_fault
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.ports.forwarder import Accepted, Prepared, QueueUnavailable, QueueUnusable, Refused
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import MESSAGE_ID, Agent, is_project_id

BodyFormat = Literal["envelope", "data"]

MESSAGE_BYTES_MAX: Final = 1_048_576
"""The most that one message may have, and one batch: bodies and attributes together."""
_CONTROLS: Final = bytes(set(range(0x20)) - {0x09, 0x0A, 0x0D})
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
_ATTRIBUTE_TYPE: Final = "String"


class _Client(msgspec.Struct, omit_defaults=True):
    connection_id: str
    user_id: str = ""


class _Envelope(msgspec.Struct):
    type: str
    project_id: str | None
    data: msgspec.Raw
    message_id: str
    timestamp: str
    client: _Client


_encode: Final = msgspec.json.Encoder().encode


class SqsForwarder:
    """Hands tasks to SQS queues. A URL that ends in `.fifo` names a queue that keeps order.

    `queue_urls` needs every agent (ValueError). `call` is `Aws.call`; `timeout_s` bounds one `send`.
    """

    name = "sqs"
    batch_messages_max = 10
    batch_bytes_max = 1_000_000  # of 1,048,576: a margin, should SQS count something that we do not

    def __init__(
        self,
        queue_urls: Mapping[Agent, str],
        body_format: BodyFormat,
        call: AwsCall,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        missing = [agent.value for agent in Agent if not queue_urls.get(agent)]
        if missing:
            raise ValueError(f"no queue URL for: {', '.join(missing)}")
        self._queue_urls = dict(queue_urls)
        self._fifo = frozenset(agent for agent, url in queue_urls.items() if url.endswith(".fifo"))
        self._is_envelope = body_format == "envelope"
        self._call = call
        self._timeout_s = timeout_s

    def prepare(self, task: ForwardTask) -> Prepared:
        """An entry of a batch, without its id: see the port."""
        if task.project_id is not None and not is_project_id(task.project_id):
            raise CommandError(ErrorCode.INVALID_PROJECT_ID, "project_id has a form that no project has")
        if MESSAGE_ID.fullmatch(task.message_id) is None:
            raise CommandError(ErrorCode.INVALID_CHARACTERS, "message_id has a form that no message has")
        body = self._body(task)
        attributes = _attributes(task)
        names = "".join(attributes.values()).encode("utf-8", "surrogatepass")
        if not (_is_allowed(body) and _is_allowed(names)):
            raise CommandError(ErrorCode.INVALID_CHARACTERS, "the message has characters that SQS does not carry")
        # what SQS counts: the body, and the attributes' names, types and values
        size = len(body) + len(names) + sum(map(len, attributes)) + len(attributes) * len(_ATTRIBUTE_TYPE)
        if size > MESSAGE_BYTES_MAX:
            raise CommandError(
                ErrorCode.MESSAGE_TOO_LARGE, f"a forwarded message has at most {MESSAGE_BYTES_MAX} bytes"
            )
        return Prepared(self._entry(task, body.decode(), attributes), size)

    def keeps_order(self, agent: Agent) -> bool:
        """See the port: such a queue is a FIFO queue."""
        return agent in self._fifo

    async def send(self, agent: Agent, tasks: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        """One `SendMessageBatch`: see the port."""
        if not tasks:
            return []
        entries = [{"Id": str(index), **task.message} for index, task in enumerate(tasks)]
        try:
            answer = await self._call(
                "sqs",
                "send_message_batch",
                self._timeout_s,
                QueueUrl=self._queue_urls[agent],
                Entries=entries,
            )
        except AwsError as error:
            if error.fault is not Fault.REFUSED:
                raise _unavailable(error) from error
            if len(tasks) == 1:
                return [Refused(str(error), is_senders_fault=True)]
            return [await self._alone(agent, task) for task in tasks]  # one of them is at fault: nobody else pays
        answers = dict(_answers(answer))
        nothing = Refused("the queue's answer leaves this message out", is_senders_fault=False)
        return [answers.get(str(index), nothing) for index in range(len(tasks))]

    async def check(self, agent: Agent) -> None:
        """See the port. Uses the right `sqs:GetQueueAttributes`."""
        try:
            await self._call(
                "sqs",
                "get_queue_attributes",
                self._timeout_s,
                QueueUrl=self._queue_urls[agent],
                AttributeNames=["QueueArn"],
            )
        except AwsError as error:
            if not error.is_of_one_right:
                raise _unavailable(error) from error

    async def _alone(self, agent: Agent, task: Prepared) -> Accepted | Refused:
        try:
            [answer] = await self.send(agent, [task])
        except QueueUnavailable as fault:
            return Refused(str(fault), is_senders_fault=False)
        return answer

    def _body(self, task: ForwardTask) -> bytes:
        if not self._is_envelope:
            return task.data
        return _encode(
            _Envelope(
                task.agent.value,
                task.project_id,
                msgspec.Raw(task.data),
                task.message_id,
                task.timestamp,
                _Client(task.connection_id, task.user_id),
            )
        )

    def _entry(self, task: ForwardTask, body: str, attributes: Mapping[str, str]) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "MessageBody": body,
            "MessageAttributes": {
                name: {"DataType": _ATTRIBUTE_TYPE, "StringValue": value} for name, value in attributes.items()
            },
        }
        if task.agent in self._fifo:
            entry["MessageGroupId"] = task.project_id or task.agent.value
            entry["MessageDeduplicationId"] = task.message_id
        elif task.project_id is not None:
            # On a standard queue a group means fairness: one busy project does not delay the others.
            entry["MessageGroupId"] = task.project_id
        return entry


def _attributes(task: ForwardTask) -> dict[str, str]:
    attributes = {
        "MessageType": task.agent.value,
        "Timestamp": task.timestamp,
        "MessageId": task.message_id,
        "ProjectId": task.project_id,
        "ConnectionId": task.connection_id,
        "UserId": task.user_id,
    }
    return {name: value for name, value in attributes.items() if value}  # SQS refuses empty ones


def _is_allowed(text: bytes) -> bool:
    """True if SQS carries this text: #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."""
    if len(text.translate(None, _CONTROLS)) != len(text):
        return False
    if text.isascii():  # nearly always, and then nothing else can be wrong
        return bool(text)
    if any(character in text for character in _NONCHARACTERS):
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unavailable(error: AwsError) -> QueueUnavailable:
    if error.fault.is_operators:
        return QueueUnusable(str(error), error.code, is_of_one_right=error.is_of_one_right)
    return QueueUnavailable(str(error))


def _answers(answer: Mapping[str, Any]) -> Iterable[tuple[str, Accepted | Refused]]:
    for entry in answer.get("Successful", ()):
        yield entry["Id"], Accepted(entry["MessageId"])
    for entry in answer.get("Failed", ()):
        code, message = str(entry.get("Code", "Unknown")), str(entry.get("Message") or "")
        # SQS calls throttling the sender's fault, too, and a missing right no fault of the sender
        fault = known_fault(code)
        is_final = bool(entry.get("SenderFault")) if fault is None else fault is not Fault.TRANSIENT
        yield entry["Id"], Refused(f"{code}: {message}"[:300], is_senders_fault=is_final)

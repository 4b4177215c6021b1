"""What SQS refuses, `websocket-handler dev` and the demo's emulator refuse, too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.queues import attributes, depth, drain, error_code, numbered


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\uffff"])
def test_invalid_characters_are_refused(sqs: Any, queue_url: str, character: str) -> None:
    """A body may only hold the characters that XML 1.0 allows."""
    code = error_code(sqs.send_message, QueueUrl=queue_url, MessageBody=f"a{character}b")

    assert code == "InvalidMessageContents"
    assert depth(sqs, queue_url) == 0


@pytest.mark.parametrize("text", ["\t\n\r", "\x7f\x85", "\ue000\ufffd", "Grüße 🚀"])
def test_all_other_characters_are_accepted(sqs: Any, queue_url: str, text: str) -> None:
    """What is allowed comes back unchanged."""
    sqs.send_message(QueueUrl=queue_url, MessageBody=text)

    assert drain(sqs, queue_url) == [text]


def test_an_empty_body_is_refused(sqs: Any, queue_url: str) -> None:
    """A message has at least one character."""
    assert error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="") == "MissingParameter"


def test_a_message_has_at_most_ten_attributes(sqs: Any, queue_url: str) -> None:
    """Ten are accepted, eleven are not."""
    sqs.send_message(QueueUrl=queue_url, MessageBody="x", MessageAttributes=attributes(10))

    code = error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="x", MessageAttributes=attributes(11))

    assert code == "InvalidParameterValue"
    assert depth(sqs, queue_url) == 1


def test_the_size_limit_counts_bytes(sqs: Any, queue_url: str) -> None:
    """A body of less than a million characters can be larger than 1 MiB."""
    code = error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="é" * 600_000)

    assert code == "InvalidParameterValue"


def test_a_batch_names_its_bad_entries(sqs: Any, queue_url: str) -> None:
    """The good entries are stored; the bad ones come back with the sender at fault."""
    entries = numbered("first", "bad\x00", "", "last", "x")
    entries[4]["MessageAttributes"] = attributes(11)

    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)

    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "3"]
    assert {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]} == {
        "1": ("InvalidMessageContents", True),
        "2": ("MissingParameter", True),
        "4": ("InvalidParameterValue", True),
    }
    assert sorted(drain(sqs, queue_url)) == ["first", "last"]


def test_a_batch_with_one_id_twice_is_refused_as_a_whole(sqs: Any, queue_url: str) -> None:
    """Also when the repeated entry is a bad one."""
    entries = [{"Id": "same", "MessageBody": "x"}, {"Id": "same", "MessageBody": "\x00"}]

    code = error_code(sqs.send_message_batch, QueueUrl=queue_url, Entries=entries)

    assert code == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    assert depth(sqs, queue_url) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"MessageDeduplicationId": "x"},
        {"MessageAttributes": {"AWS.name": {"DataType": "String", "StringValue": "x"}}},
        {"MessageAttributes": {"name": {"DataType": "String", "StringValue": ""}}},
        {"MessageAttributes": {"name": {"DataType": "Text", "StringValue": "x"}}},
        {"DelaySeconds": 901},
    ],
    ids=range(5),
)
def test_parameters_that_a_message_cannot_have_are_refused(sqs: Any, queue_url: str, wrong: dict[str, Any]) -> None:
    error_code(sqs.send_message, QueueUrl=queue_url, MessageBody="x", **wrong)
    assert depth(sqs, queue_url) == 0


def test_a_batch_has_one_to_ten_messages(sqs: Any, queue_url: str) -> None:
    too_many = error_code(sqs.send_message_batch, QueueUrl=queue_url, Entries=numbered(*"0123456789a"))
    none = error_code(sqs.send_message_batch, QueueUrl=queue_url, Entries=[])
    assert too_many == "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
    assert none == "AWS.SimpleQueueService.EmptyBatchRequest"

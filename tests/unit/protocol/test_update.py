"""Whom an update is for: whoever it names, and nobody where it names nobody."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.spec_files import allows, named, vectors
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.update import ForEverybody, ForProject, body_bytes_max, read_update

VECTORS = vectors("updates")


def found_in(body: bytes, attributes: dict[str, str | None]) -> dict[str, Any]:
    """What is read, as the vectors write it."""
    try:
        found = read_update(body, attributes)
    except CommandError as fault:
        return {"code": fault.code.value}
    read = {"object": found.message.body.decode()}
    return {"project_id": found.project_id, **read} if isinstance(found, ForProject) else {"broadcast": True, **read}


@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_an_update_is_read_as_the_specification_has_it(vector: dict[str, Any]) -> None:
    expected = {name: vector[name] for name in ("project_id", "broadcast", "object", "code") if name in vector}
    assert found_in(vector["body"].encode(), vector["attributes"]) == expected


@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_the_schema_allows_what_is_read_without_attributes(vector: dict[str, Any]) -> None:
    if vector["attributes"] or vector.get("code") in ("duplicate_key", "invalid_json"):
        return  # what the schema of a body cannot see
    body = json.loads(vector["body"])
    if "code" not in vector or "TopicArn" not in body:  # nor does it see into the text of a notification
        assert allows("update.json", body) == ("object" in vector)


NAMES = ["project_id", "projectId", "PROJECT_ID", "broadcast", "Broadcast", "detail", "Message", "text"]
VALUES: list[Any] = [None, True, False, 1, "", "p", "true", [], {}]
OBJECTS: Any = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4)
ATTRIBUTES: Any = st.dictionaries(
    st.sampled_from(["ProjectId", "Broadcast", "projectid", "broadcast"]),
    st.sampled_from([None, "", "p", "true", "True", "p "]),
    max_size=3,
)


@given(OBJECTS, ATTRIBUTES, st.sampled_from(["plain", "notification", "event"]))
def test_nobody_is_reached_who_was_not_named(fields: Any, attributes: Any, form: str) -> None:
    body = json.dumps(fields)
    if form == "notification":
        body = json.dumps({"Type": "Notification", "TopicArn": "t", "Message": body})
    elif form == "event":
        body = json.dumps({"source": "s", "detail-type": "t", "detail": fields})
    try:
        found = read_update(body.encode(), attributes)
    except CommandError:
        return
    if isinstance(found, ForEverybody):
        assert "ProjectId" not in attributes
        assert "project_id" not in fields
        assert fields.get("broadcast") is True or attributes.get("Broadcast") == "true"
    else:
        said = {**attributes, **json.loads(found.message.body)}
        assert {said[name] for name in ("ProjectId", "project_id") if name in said} == {found.project_id}


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode), ATTRIBUTES)
def test_any_bytes_are_answered(body: bytes, attributes: Any) -> None:
    with contextlib.suppress(CommandError):
        read_update(body, attributes)


def test_the_reason_names_what_was_nearly_right_and_stays_short() -> None:
    with pytest.raises(CommandError) as caught:
        read_update(b'{"projectId":"p","Broadcast":true}', {})
    assert caught.value.message.endswith("; it has projectId, Broadcast")
    with pytest.raises(CommandError) as caught:
        read_update(b'{"project%bid":"p"}' % (b"_" * 10_000), {})
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("text", ['"', "\\", "\x1f", "é", "😀", "</script>"])
def test_the_largest_object_fits_into_the_largest_body_whatever_it_holds(text: str) -> None:
    inner = json.dumps({"project_id": "p", "t": text * 10_000}, ensure_ascii=False)
    envelope = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:" + "t" * 256,
        "Subject": "s" * 100,
        "Message": inner,
        "Signature": "x" * 400,
        "MessageAttributes": {"a" * 256: {"Type": "String", "Value": "v" * 1000}},
    }
    body = json.dumps(envelope).encode()
    assert len(body) <= body_bytes_max(len(inner.encode()))
    found = read_update(body, {})
    assert isinstance(found, ForProject)
    assert found.message.body == inner.encode()

"""`spec/` is valid, agrees with itself, and agrees with the server's codes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate as validate_openapi
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from websocket_handler.protocol.codes import ERRORS, CloseCode, ErrorCode

SPEC = Path(__file__).parents[3] / "spec"
SCHEMAS = sorted((SPEC / "schemas").glob("*.json"))
VECTORS = sorted((SPEC / "vectors").glob("*.json"))
BASE = (SPEC / "schemas").as_uri() + "/"


def load(path: Path) -> Any:
    """The JSON or YAML document in `path`."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of one file."""
    loaded: list[dict[str, Any]] = load(SPEC / "vectors" / f"{name}.json")
    return loaded


REGISTRY: Any = Registry().with_resources(
    (BASE + path.name, Resource.from_contents(load(path), default_specification=DRAFT202012)) for path in SCHEMAS
)


def validator(ref: str) -> Draft202012Validator:
    """A validator for `file.json` or `file.json#/$defs/name`."""
    return Draft202012Validator({"$ref": BASE + ref}, registry=REGISTRY)


def is_valid(ref: str, value: object) -> bool:
    """True if `value` has the form that `ref` names."""
    return bool(validator(ref).is_valid(value))


def text_of(vector: dict[str, Any]) -> str:
    """The text of a vector in `commands-invalid.json`."""
    if "text" in vector:
        return str(vector["text"])
    repeat = vector["text_repeat"]
    return str(repeat["prefix"] + repeat["unit"] * repeat["count"] + repeat["suffix"])


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def schema_ref(ref: str) -> str:
    """A reference of asyncapi.yaml or openapi.yaml, as `validator` takes it."""
    return ref.removeprefix("./schemas/")


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_schemas_are_valid_and_their_references_resolve(path: Path) -> None:
    schema = load(path)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    resolver = REGISTRY.resolver(BASE + path.name)
    for node in walk(schema):
        if isinstance(node.get("$ref"), str):
            resolver.lookup(node["$ref"])


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_vector_names_are_unique(path: Path) -> None:
    names = [vector["name"] for vector in load(path)]
    assert names
    assert len(names) == len(set(names))


def test_valid_commands_have_the_form_of_the_schema() -> None:
    for vector in vectors("commands-valid"):
        command = json.loads(vector["text"])
        assert is_valid("client-command.json", command), vector["name"]
        stated = {name: value for name, value in vector["parsed"].items() if name in command and name != "since"}
        assert stated.items() <= command.items(), vector["name"]


SEEN_IN_THE_TEXT_ONLY = {"duplicate_key", "project_mismatch", "message_too_large", "too_deep", "invalid_json"}
"""What a schema cannot see: it reads values, not text, and does not compare two fields."""

BEYOND_THE_SCHEMA = re.compile(r"1\.0|10\.0|trailing line feed|surrogate")
"""JSON Schema counts 1.0 as an integer, and Python's `$` allows a line feed at the end."""


def test_invalid_commands_break_the_schema() -> None:
    for vector in vectors("commands-invalid"):
        if vector["code"] in SEEN_IN_THE_TEXT_ONLY or BEYOND_THE_SCHEMA.search(vector["name"]):
            continue
        assert not is_valid("client-command.json", json.loads(text_of(vector))), vector["name"]


def refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, although Python reads them."""
    raise ValueError(name)


def test_invalid_json_vectors_are_invalid_and_the_others_are_json() -> None:
    for vector in vectors("commands-invalid"):
        text = text_of(vector)
        if vector["code"] == "invalid_json":
            with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
                json.loads(text, parse_constant=refuse_constant)
        elif vector["code"] not in {"message_too_large", "too_deep"}:
            json.loads(text, parse_constant=refuse_constant)


def test_invalid_command_vectors_name_known_codes_and_readable_ids() -> None:
    for vector in vectors("commands-invalid"):
        assert vector["code"] in set(ErrorCode), vector["name"]
        assert (
            len(text_of(vector).encode()) <= vector.get("limit_bytes", 65536) or vector["code"] == "message_too_large"
        )
        if "id" in vector:
            assert json.loads(text_of(vector))["id"] == vector["id"]


def test_publications_are_the_payload_with_up_to_three_fields_spliced_in() -> None:
    for vector in vectors("publications"):
        payload, wire = json.loads(vector["payload"]), json.loads(vector["wire"])
        assert is_valid("publication.json", payload), vector["name"]
        assert is_valid("server-message.json", wire), vector["name"]
        place = {"project_id": vector["project_id"], "offset": vector["offset"]}
        assert wire == {"published_at": vector["published_at"], **payload, **place}, vector["name"]
        assert vector["wire"].startswith(vector["payload"].strip(" \t\r\n")[:-1]), vector["name"]
        time = "" if "published_at" in payload else f',"published_at":{vector["published_at"]}'
        assert vector["wire"].endswith(f'"offset":{vector["offset"]}{time}}}'), vector["name"]


def start_of(log: dict[str, Any], request: dict[str, Any]) -> tuple[int, bool]:
    """The table of protocol.md, section 4."""
    oldest, head = log["first"] - 1, log["head"]
    if "since" in request:
        since = request["since"]
        if since["epoch"] == log["epoch"] and oldest <= since["offset"] <= head:
            return since["offset"], True
        return oldest, False
    if "rewind" in request:
        return max(oldest, head - request["rewind"]), True
    return head, True


def test_recovery_vectors_follow_the_table() -> None:
    for vector in vectors("recovery"):
        assert not {"since", "rewind"} <= vector["request"].keys()
        expected = vector["expect"]
        start = start_of(vector["log"], vector["request"])
        assert start == (expected["start"], expected["recovered"]), vector["name"]


def test_forward_messages_have_the_form_of_the_schema() -> None:
    for vector in vectors("forward-messages"):
        command, body, attributes = (
            json.loads(vector["command"]),
            json.loads(vector["body"]),
            vector["attributes"],
        )
        assert is_valid("client-command.json#/$defs/forward", command), vector["name"]
        assert attributes.get("ProjectId") == command.get("project_id"), vector["name"]
        assert attributes["ConnectionId"] == vector["connection_id"], vector["name"]
        if vector["body_format"] == "data":
            assert body == command["data"], vector["name"]
            continue
        assert is_valid("sqs-task.json", body), vector["name"]
        assert body["data"] == command["data"], vector["name"]
        assert body["type"] == attributes["MessageType"], vector["name"]
        assert (body["timestamp"], body["message_id"]) == (attributes["Timestamp"], attributes["MessageId"])


def test_asyncapi_references_resolve_and_its_examples_are_valid() -> None:
    document = load(SPEC / "asyncapi.yaml")
    assert document["asyncapi"] == "3.0.0"
    for node in walk(document):
        ref = node.get("$ref", "")
        if ref.startswith("#/"):
            target: Any = document
            for part in ref[2:].split("/"):
                target = target[part]
    for name, message in document["components"]["messages"].items():
        ref = schema_ref(message["payload"]["schema"]["$ref"])
        for example in message["examples"]:
            validator(ref).validate(example["payload"])
            validator(ref.partition("#")[0]).validate(example["payload"])
        assert name in document["channels"]["socket"]["messages"]


def test_asyncapi_has_every_message_of_the_schemas() -> None:
    messages = load(SPEC / "asyncapi.yaml")["components"]["messages"].values()
    referred = {schema_ref(message["payload"]["schema"]["$ref"]) for message in messages}
    for file, member in (("client-command.json", "oneOf"), ("server-message.json", "else")):
        choice = load(SPEC / "schemas" / file)[member]
        options = choice if isinstance(choice, list) else choice["oneOf"]
        assert {file + option["$ref"] for option in options} <= referred


def test_openapi_is_valid() -> None:
    path = SPEC / "openapi.yaml"
    validate_openapi(load(path), base_uri=path.as_uri())


def test_openapi_examples_are_valid() -> None:
    checked = 0
    for media in walk(load(SPEC / "openapi.yaml")):
        ref = media.get("schema", {}).get("$ref", "") if isinstance(media.get("schema"), dict) else ""
        if not ref.startswith("./schemas/"):
            continue
        examples = [example["value"] for example in media.get("examples", {}).values()]
        examples += [media["example"]] if "example" in media else []
        assert examples, f"{ref} has no example"
        for example in examples:
            validator(schema_ref(ref)).validate(example)
            checked += 1
    assert checked > 0


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of protocol.md, without its head."""
    section = (SPEC / "protocol.md").read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def test_error_table_equals_the_server() -> None:
    written = {code: (int(status), retryable == "yes") for code, status, retryable, _ in table("7. Errors")}
    assert written == {code.value: (spec.status, spec.retryable) for code, spec in ERRORS.items()}
    assert set(ERRORS) == set(ErrorCode)


def test_error_codes_of_the_schema_equal_the_server() -> None:
    codes = load(SPEC / "schemas" / "server-message.json")["$defs"]["error_code"]["enum"]
    assert sorted(codes) == sorted(code.value for code in ErrorCode)


def test_close_table_equals_the_server() -> None:
    rows = table("8. Close codes")
    assert {int(code) for code, _, _ in rows} == {int(code) for code in CloseCode}
    assert {reconnect for _, reconnect, _ in rows} <= {"yes", "no"}
    for code, reconnect, _ in rows:
        if int(code) >= 4000:
            assert (reconnect == "yes") == (int(code) < 4500)


FORGERIES = [
    {"type": "pong", "project_id": "p", "offset": 1},
    {"type": "subscription_confirmed", "project_id": "p", "offset": 1},
    {"type": "error", "project_id": "p", "offset": 1},
]


@pytest.mark.parametrize("message", FORGERIES, ids=lambda message: str(message["type"]))
def test_offset_without_epoch_makes_a_publication_of_any_type(message: dict[str, Any]) -> None:
    assert is_valid("server-message.json", message)


def test_a_reply_with_a_missing_field_is_refused() -> None:
    assert not is_valid("server-message.json", {"type": "pong"})
    assert not is_valid("server-message.json", {"type": "history", "epoch": "e", "offset": 1})

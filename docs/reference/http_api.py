"""Writes http_api.md from the OpenAPI description: `python docs/reference/http_api.py`. A test compares the two."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

PAGE = Path(__file__).resolve().with_name("http_api.md")
OPENAPI = Path(__file__).resolve().parents[2] / "spec" / "openapi.yaml"
HEAD = """# HTTP API

`make reference` writes this page from [openapi.yaml](../../spec/openapi.yaml), which also has the form of every
body. [Section 9 of the protocol](../../spec/protocol.md#9-http) has the rules, and [the codes](codes.md)
what each error means.

With `AUTH_MODE=jwt` every path except `/health` and `/ready` needs `Authorization: Bearer TOKEN`, as
[section 11](../../spec/protocol.md#11-authentication-and-rights) says. An error has the body
`{"type":"error","code":CODE,"message":TEXT,"retryable":bool}`. What its status says, at every path:

| status | when |
| --- | --- |
"""
METHODS: Final = ("get", "post", "put", "patch", "delete")
ERRORS: Final = 400
"""Answers from this status on have a line together: their bodies are alike."""


class Description:
    """The OpenAPI description, whose references are followed."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def of(self, value: Any) -> Any:
        """What a value refers to within the file, or the value itself."""
        while isinstance(value, dict) and str(value.get("$ref", "")).startswith("#/"):
            found: Any = self.root
            for part in value["$ref"][2:].split("/"):
                found = found[part]
            value = found
        return value


def plain(text: str) -> str:
    """The prose of a description, without the example in it."""
    return " ".join(text.partition("\n\n")[0].removesuffix("As text:").split())


def bounds_of(schema: dict[str, Any]) -> str:
    """What a parameter may be, in a few words."""
    words = []
    if "enum" in schema:
        words.append("one of " + ", ".join(f"`{each}`" for each in schema["enum"]))
    if "minimum" in schema and "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    elif "minimum" in schema:
        words.append(f"at least {schema['minimum']}")
    elif "pattern" in schema:
        words.append("`" + schema["pattern"].replace("|", "\\|") + "`")
    if "default" in schema:
        words.append(f"default `{json.dumps(schema['default'])}`")
    return ", ".join(words)


def parameters_of(description: Description, parameters: list[Any]) -> Iterator[str]:
    """A line of the table for each parameter."""
    for parameter in map(description.of, parameters):
        said = plain(parameter.get("description", ""))
        form = bounds_of(description.of(parameter["schema"]))
        yield f"| `{parameter['name']}` | {parameter['in']} | {said} | {form} |\n"


def examples_of(content: dict[str, Any]) -> Iterator[str]:
    """The bodies that are shown, as blocks."""
    shown = content.get("application/json")
    if shown is None:
        return
    values = [each["value"] for each in shown.get("examples", {}).values()]
    for value in [*values, *([shown["example"]] if "example" in shown else [])]:
        yield f"\n```json\n{json.dumps(value, ensure_ascii=False)}\n```\n"


def answers_of(description: Description, responses: dict[str, Any]) -> Iterator[str]:
    """What comes back: the good answers with their bodies, then the errors."""
    for status, answer in sorted(responses.items()):
        if int(status) < ERRORS:
            yield f"\n**{status}**: {plain(description.of(answer)['description']).rstrip('.')}.\n"
            yield from examples_of(description.of(answer).get("content", {}))
    errors = [
        status if "$ref" in answer else f"{status} ({plain(answer['description'])})"
        for status, answer in sorted(responses.items())
        if int(status) >= ERRORS
    ]
    if errors:
        yield f"\nErrors: {', '.join(errors)}.\n"


def statuses_of(description: Description) -> Iterator[str]:
    """A line of the table for each error that several paths have."""
    named = {
        answer["$ref"]: status
        for methods in description.root["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict)
        for status, answer in operation["responses"].items()
        if "$ref" in answer and int(status) >= ERRORS
    }
    for reference, status in sorted(named.items(), key=lambda each: each[1]):
        yield f"| {status} | {plain(description.of({'$ref': reference})['description'])} |\n"


def section(description: Description, path: str, method: str, operation: dict[str, Any], shared: list[Any]) -> str:
    """What the page says about a method of a path."""
    parts = [f"\n## {method.upper()} {path}\n\n{operation['summary']}.\n"]
    if "description" in operation:
        parts.append(f"\n{plain(operation['description'])}\n")
    parameters = "".join(parameters_of(description, [*shared, *operation.get("parameters", [])]))
    if parameters:
        parts.append(f"\n| parameter | in | meaning | form |\n| --- | --- | --- | --- |\n{parameters}")
    body = description.of(operation.get("requestBody"))
    if body is not None:
        examples = list(examples_of(body["content"]))
        parts += [f"\n{'Bodies' if len(examples) > 1 else 'Body'}, for example:\n", *examples]
    parts += answers_of(description, operation["responses"])
    return "".join(parts)


def page() -> str:
    """The whole page."""
    root = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    description = Description(root)
    sections = (
        section(description, path, method, methods[method], methods.get("parameters", []))
        for path, methods in root["paths"].items()
        for method in METHODS
        if method in methods
    )
    return HEAD + "".join([*statuses_of(description), *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")

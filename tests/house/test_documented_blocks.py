"""Every fenced block of every document is right, in the way of its language; what cannot be checked has a reason here.

A program in a document is a file of the repository, word for word. So mypy checks its types with all others, and tests
run it. `make first-run` types the shell commands. A test of the TypeScript client compiles what is in its language.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from fnmatch import fnmatch
from typing import Any, Final

import pytest
import yaml

from tests.house.files import PYTHON, ROOT, relative
from tests.support.documents import SHELL, Block, blocks, documents
from tests.support.spec_files import SPEC, allows

TYPED: Final = "the test of the TypeScript client compiles it: clients/typescript/tests/readme.test.ts"
THROUGH_A_PROXY: Final = "tests/house/test_site.py compares it with what `make proxies` starts"
ELSEWHERE: Final = {
    (SHELL, "*"): "tests/first_run types it, or says why not",
    ("typescript", "*"): TYPED,
    ("tsx", "*"): TYPED,
    ("javascript", "docs/tutorial.md"): "tests/e2e/test_documented_snippet.py runs it in Chromium",
    ("nginx", "docs/proxies.md"): THROUGH_A_PROXY,
    ("haproxy", "docs/proxies.md"): THROUGH_A_PROXY,
}
"""The language and the documents of blocks that another test checks."""
DRAWING: Final = "a drawing for people"
UNCHECKED: Final = {
    "ARCHITECTURE.md": (6, DRAWING),
    "README.md": (1, DRAWING),
    "docs/threat-model.md": (1, DRAWING),
    "spec/protocol.md": (1, "a conversation, told in lines that begin with who speaks"),
    "websocket_handler/README.md": (
        1,
        "a tree of files; tests/house/test_documented_commands.py looks for those it names",
    ),
}
"""Blocks without a language: how many a document has, and why nothing checks them."""
INLINE: Final = re.compile(r"`(\{\"(?:action|type)\":[^`\n]+\})`")
PLACEHOLDER: Final = re.compile(r'"(\w+)":([A-Za-z]+|…|\{…\}|\[…\])(?=[,}])')
STANDS_FOR: Final[dict[str, Any]] = {
    "project_id": "proj_123",
    "epoch": "e7Kq2",
    "offset": 57,
    "after": 0,
    "limit": 10,
    "count": 1,
    "type": "dev",
    "data": {},
    "message": {},
    "messages": [],
    "runs": [],
    "ended": [],
    "interrupts": [],
    "usage": [],
    "offsets": [57, 58],
    "message_id": "m-1",
    "receipt": "r-1",
    "timestamp": "2026-11-29T12:00:00.000Z",
    "token": "a.b.c",
    "user_id": "ann",
    "node_id": "node-1",
    "connection_id": "c-1",
    "connected_at": "2026-11-29T12:00:00.000Z",
    "expires_at": "2026-11-29T12:00:00.000Z",
    "code": "rate_limited",
    "retryable": True,
    "retry_after_ms": 100,
    "id": "1",
    "action": "ping",
}
"""What letters or an ellipsis after a field's name stand for in the prose."""
WORDS: Final = {"TEXT": "a text", "n": 2}
"""What some words stand for, whatever the field is."""
FORMS: Final = {
    kind: f"{file}#/$defs/{kind}"
    for file in ("http.json", "server-message.json")
    for kind in json.loads((SPEC / "schemas" / file).read_text(encoding="utf-8"))["$defs"]
}
"""The form of what the gateway says, by its `type`."""


def of(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for name in documents() for block in blocks(name) if block.language == language]


def dedented(text: str) -> str:
    """A block of a list without the list's indentation."""
    lines = text.strip("\n").splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[margin:] for line in lines).strip()


def filled_in(frame: str) -> Any:
    """A frame of the prose with values for its placeholders."""

    def value(match: re.Match[str]) -> str:
        if match[2] in ("true", "false", "null"):
            return match[0]
        return f'"{match[1]}":{json.dumps(WORDS.get(match[2]) or STANDS_FOR[match[1]])}'

    return json.loads(PLACEHOLDER.sub(value, frame).replace('"…"', '"e7Kq2"'))


def fault_of(frame: Any) -> str | None:
    """What the specification has against a frame."""
    if "action" in frame and "code" not in frame:
        return None if allows("client-command.json", frame) else "is no command"
    form = FORMS.get(frame.get("type", "") if "offsets" not in frame else "publish_batch_confirmed")
    return None if form is None or allows(form, frame) else f"is no {form}"


def test_each_block_is_checked_here_or_there() -> None:
    here = {"", "python", "json", "yaml", "toml"}
    unknown = [
        (block.document, block.language)
        for name in documents()
        for block in blocks(name)
        if block.language not in here
        and not any(block.language == language and fnmatch(name, where) for language, where in ELSEWHERE)
    ]
    assert unknown == []


def test_blocks_without_a_language_are_counted_and_have_a_reason() -> None:
    counted = Counter(block.document for block in of(""))
    assert dict(counted) == {name: number for name, (number, _reason) in UNCHECKED.items()}


def test_each_python_program_is_a_file_that_mypy_checks() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    files = {
        path.read_text(encoding="utf-8").strip()
        for path in PYTHON
        if relative(path).startswith(tuple(f"{folder}/" for folder in checked))
    }
    shown = of("python")
    assert len(shown) > 6
    assert [(block.document, block.text[:60]) for block in shown if dedented(block.text) not in files] == []


@pytest.mark.parametrize(
    ("language", "read"), [("json", json.loads), ("yaml", yaml.safe_load), ("toml", tomllib.loads)]
)
def test_data_can_be_read(language: str, read: Any) -> None:
    for block in of(language):
        value = read(dedented(block.text))
        assert not isinstance(value, dict) or fault_of(value) is None, (block.document, fault_of(value))


def test_frames_in_the_prose_have_the_form_of_the_schemas() -> None:
    frames = [
        (name, frame) for name in documents() for frame in INLINE.findall((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert len(frames) > 25
    faults = [(name, frame, fault) for name, frame in frames if (fault := fault_of(filled_in(frame))) is not None]
    assert faults == []


def test_a_frame_that_is_wrong_would_be_found() -> None:
    assert fault_of(filled_in('{"action":"subscribe","project":"p"}')) == "is no command"
    assert fault_of(filled_in('{"type":"pong","offset":N}')) == "is no server-message.json#/$defs/pong"

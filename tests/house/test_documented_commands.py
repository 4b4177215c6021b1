"""What the documents promise is there: commands, make targets, modules, files, variables, paths of the HTTP API.

`make first-run` runs the fenced shell commands. This looks at every promise, in a second.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.house.files import PYTHON, ROOT
from tests.support.documents import NOT_RUN, SHELL, blocks, documents, shell_commands
from websocket_handler.config import VARIABLES

HISTORY: Final = {"CHANGELOG.md"}
"""What was true when it was written."""
DOCUMENTS: Final = [name for name in documents() if name not in HISTORY and not name.startswith("docs/decisions/")]
INLINE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LANGUAGES: Final = {
    "",
    SHELL,
    "javascript",
    "typescript",
    "tsx",
    "python",
    "json",
    "mermaid",
    "text",
    "yaml",
    "toml",
    "nginx",
    "haproxy",
}
MAKE: Final = re.compile(r"(?:^|[\s;&(])make(?: [A-Z_]+=\S+)* ([a-z][a-z-]*)")
COMMAND: Final = re.compile(r"websocket-handler ([a-z][a-z-]*)")
MODULE: Final = re.compile(r"python -m ([\w.]+)")
FILE: Final = re.compile(r"^(?:\./)?[\w.-]+(?:/[\w.*-]+)*\.(?:py|md|sh|ps1|ya?ml|toml|json|in|txt|c|js|html)$")
PLACEHOLDER: Final = "NNNN"
VARIABLE: Final = re.compile(r"(?<![\w.:/-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w*])")
PATH: Final = re.compile(r"(?:^|GET |POST |DELETE |8080|ENDPOINT)(/(?:api|health|ready|metrics|ws|events)[\w/{}-]*)")
SAMPLES: Final = {
    "proj_123": "{id}",
    "{project_id}": "{id}",
    "{connection_id}": "{id}",
    "{user_id}": "{id}",
    "{node_id}": "{id}",
    "{queue}": "{id}",
    "{interrupt_id}": "{id}",
    "approve-1": "{id}",
}


def spoken(document: str) -> list[str]:
    """Every piece of code of a document: what stands between backquotes, and the shell commands."""
    text = (ROOT / document).read_text(encoding="utf-8")
    outside = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*INLINE.findall(outside), *shell_commands(document)]


def found(pattern: re.Pattern[str]) -> dict[str, str]:
    """What a pattern names, and a document that says so."""
    return {name: document for document in DOCUMENTS for code in spoken(document) for name in pattern.findall(code)}


def test_every_block_is_of_a_language_that_a_test_knows() -> None:
    """A shell command in a block of another name would never be run."""
    unknown = {(name, block.language) for name in documents() for block in blocks(name)}
    assert {each for each in unknown if each[1] not in LANGUAGES} == set()
    assert [
        (name, line)
        for name in DOCUMENTS
        for block in blocks(name)
        if block.language == ""
        for line in block.text.splitlines()
        if re.match(r"\s*(\$ |make |pip |python3? |docker|curl |\./|aws |sam )", line)
    ] == []


def test_what_is_not_run_is_in_a_document_and_has_a_reason() -> None:
    """A command that is gone takes its excuse with it."""
    typed = {command for name in documents() for command in shell_commands(name)}
    assert set(NOT_RUN) - typed == set()
    assert all(len(reason.split()) > 2 for reason in NOT_RUN.values())


def test_the_test_of_the_commands_would_see_a_new_one(tmp_path: Path) -> None:
    """It runs whatever is not in the list: a command, one that goes on in the next line, one with a comment."""
    text = "Try\n\n   ```bash\n   one  # a comment\n   two --long \\\n     'more\n     text'\n   ```\n"
    document = tmp_path / "NEW.md"
    document.write_text(text, encoding="utf-8")

    (block,) = blocks(str(document))

    assert block.commands == ["one", "two --long 'more text'"]


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: document for name, document in found(MAKE).items() if name not in targets} == {}
    assert len(found(MAKE)) > 10


def test_every_command_of_the_gateway_exists() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "websocket_handler", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    commands = set(re.findall(r"^    ([a-z][a-z-]*) ", listed, re.MULTILINE))
    assert commands >= {"serve", "config", "token", "deploy", "doctor", "verify"}
    assert {name: document for name, document in found(COMMAND).items() if name not in commands} == {}


def test_every_module_that_somebody_is_told_to_run_exists() -> None:
    others = {"pytest", "venv", "pip"}
    modules = {name: document for name, document in found(MODULE).items() if name not in others}
    assert len(modules) > 4
    assert {name: document for name, document in modules.items() if find_spec(name) is None} == {}


READ_BY_THE_AWS_SDK: Final = {
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
}


def test_every_variable_that_is_named_exists() -> None:
    """A setting of the gateway; or a constant that a document for developers speaks of."""
    constants = {
        name for path in PYTHON for name in re.findall(r"^([A-Z][A-Z0-9_]+)[:=\s]", path.read_text(), re.MULTILINE)
    }
    named = found(VARIABLE)
    assert len(named) > 20
    known = {*VARIABLES, *constants, *READ_BY_THE_AWS_SDK}
    assert {name: document for name, document in named.items() if name not in known} == {}


def general(path: str) -> str:
    """A path of the HTTP API with `{id}` for whatever id."""
    for sample, placeholder in SAMPLES.items():
        path = path.replace(sample, placeholder)
    return path


def test_every_path_of_the_http_api_exists() -> None:
    """In the specification, which other tests compare with the gateway; WebSockets have one path more."""
    specification = yaml.safe_load((ROOT / "spec" / "openapi.yaml").read_text(encoding="utf-8"))
    paths = {*map(general, specification["paths"]), "/ws"}
    named = found(PATH)
    assert len(named) > 8
    assert {path: document for path, document in named.items() if general(path) not in paths} == {}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_exists(document: str) -> None:
    """Relative to the root, to the document, to the package or to the tests; a bare name may be anywhere."""
    bases = [ROOT, (ROOT / document).parent, ROOT / "websocket_handler", ROOT / "tests", ROOT / "demo"]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {Path(line).name for line in tracked.splitlines()}
    missing = [
        code
        for code in spoken(document)
        if FILE.match(code)
        and not any(list(base.glob(code)) for base in bases)
        and not ("/" not in code and code in names)
        and PLACEHOLDER not in code
    ]
    assert missing == []

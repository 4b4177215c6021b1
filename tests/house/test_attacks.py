"""The documents that name tests name tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ATTACKS = ROOT / "docs" / "attacks.md"
THREATS = ROOT / "docs" / "threat-model.md"
PAINS = ROOT / "docs" / "pains.md"
CLUSTER_FAULTS = ROOT / "docs" / "operations" / "cluster-faults.md"
TYPESCRIPT = ROOT / "clients" / "typescript" / "tests"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
NAMED_IN_TYPESCRIPT = re.compile(r"`([\w./]+\.(?:tsx?|js))::([^`]+)`")
FILE = re.compile(r"`((?:tests/(?:\w+/)*)?\w+\.py)`")
ROWS_MIN = 35


def rows(document: Path) -> list[list[str]]:
    """The cells of every row of every table, headings left out."""
    lines = [line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    headings = {index - 1 for index, row in enumerate(cells) if set(row[0]) <= {"-"} and row[0]}
    return [row for index, row in enumerate(cells) if index not in headings and not set("".join(row)) <= {"-"}]


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of a file's tests."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = (node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def test_the_table_of_attacks_is_there() -> None:
    assert len(rows(ATTACKS)) >= ROWS_MIN
    for document in (THREATS, ROOT / "SECURITY.md"):
        assert "attacks.md" in document.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", rows(ATTACKS), ids=lambda row: row[0][:60])
def test_every_attack_has_an_answer_and_tests_that_exist(row: list[str]) -> None:
    what, answer, tests = row
    assert what
    assert answer
    named = NAMED.findall(tests)
    assert named
    assert len(named) == tests.count("::"), "each in the form `folder/file.py::test`"
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(ROOT / "tests" / file)]
    assert missing == []


@pytest.mark.parametrize("row", rows(CLUSTER_FAULTS), ids=lambda row: row[0][:60])
def test_every_fault_of_a_cluster_has_its_answers_and_tests_that_exist(row: list[str]) -> None:
    assert all(row[:3])
    named = NAMED.findall(row[3])
    assert named
    assert len(named) == row[3].count("::"), "each in the form `folder/file.py::test`"
    assert [f"{file}::{name}" for file, name in named if name not in names_in(ROOT / "tests" / file)] == []


@pytest.mark.parametrize("row", rows(PAINS), ids=lambda row: row[0][:60])
def test_every_pain_has_an_answer_and_tests_that_exist(row: list[str]) -> None:
    what, answer, in_python, *in_typescript = row
    assert what
    assert answer
    named = [(ROOT / "tests" / file, name) for file, name in NAMED.findall(" ".join((in_python, *in_typescript)))]
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
    others = [(TYPESCRIPT / file, name) for cell in in_typescript for file, name in NAMED_IN_TYPESCRIPT.findall(cell)]
    assert [f"{path}::{name}" for path, name in others if name not in path.read_text(encoding="utf-8")] == []
    assert len(named) + len(others) == sum(cell.count("::") for cell in (in_python, *in_typescript)), "as `file::test`"
    assert all("::" in cell or cell.startswith("none: ") for cell in (in_python, *in_typescript))
    assert named or others or "Nothing tests it" in answer


def test_the_table_of_pains_is_there() -> None:
    assert len(rows(PAINS)) >= 15
    for document in (ROOT / "README.md", ROOT / "docs" / "clients.md"):
        assert "pains.md" in document.read_text(encoding="utf-8")


def test_every_file_that_the_threat_model_names_exists() -> None:
    files = FILE.findall(THREATS.read_text(encoding="utf-8"))
    assert len(files) > 10
    paths = [ROOT / file if file.startswith("tests/") else ROOT / "tests" / "security" / file for file in files]
    assert [str(path) for path in paths if not path.exists()] == []

"""Every module has its file of tests at the mirrored path, and every file of unit tests has its module."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.house.files import PACKAGE, ROOT, TESTS, relative

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
LEVELS: Final = ("unit", "contract", "integration")
"""The folders of tests that mirror the package."""
FILES_MAX: Final = 4
"""Files of tests that one module may have at one level. A module that needs more of them is more than one idea."""
ELSEWHERE: Final = {
    "websocket_handler/image/sbom.py": "tests/supply_chain/test_sbom.py",
    "websocket_handler/cli/deploy.py": "tests/infra/test_deploy.py",
    "websocket_handler/cli/doctor.py": "tests/infra/test_doctor.py",
}
"""Modules whose tests need the packages of another environment, and the file that tests each."""
DECLARATIONS: Final = {
    "websocket_handler/cli/__init__.py": "exit codes",
    "websocket_handler/api/http_limits.py": "a record of maxima; each is tested where it counts",
    "websocket_handler/cli/deploy_plan.py": "a record of what is deployed where",
    "websocket_handler/delivery/observer.py": "an interface; the tests of its observers say what they do",
    "websocket_handler/logs/observer.py": "an interface; the tests of the journal and of the project say what it does",
    "websocket_handler/logs/limits.py": "a record of maxima; each is tested where it counts",
    "websocket_handler/logs/runs/limits.py": "a record of maxima; each is tested where it counts",
    "websocket_handler/logs/runs/problems.py": "names of rules; each is tested where it is found",
}
"""Modules that have nothing to test: they declare, and no line of theirs does anything."""
ACROSS: Final = {
    "tests/unit/spec/test_spec.py": "the files of spec/, which every part of the gateway has to agree with",
    "tests/unit/test_process_output.py": "the reader of tests/support for what processes print, killed ones included",
    "tests/unit/test_limits_page.py": "docs/limits.md, which lists the limits of many modules",
    "tests/unit/test_virtual_time.py": "the clock of tests/support, which the tests of many modules rely on",
}
"""Files of unit tests without a module of their own, and what they test."""


def has_code(path: Path) -> bool:
    """True if a module does more than to explain itself."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def does_something(path: Path) -> bool:
    """True if a function of the module has a line that is carried out: more than a docstring, or `...`."""
    functions = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, FUNCTIONS))
    lines = (line for function in functions for line in function.body)
    return any(not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)) for line in lines)


def modules_of(paths: list[Path], root: Path) -> list[str]:
    """The modules that need tests, as names of files. An `__init__.py` needs them if it has code."""
    return [path.relative_to(root).as_posix() for path in paths if path.name != "__init__.py" or has_code(path)]


@cache
def mirrored(module: str, level: str) -> str:
    """Where a module's tests stand: `websocket_handler/a/b.py` has `tests/unit/a/test_b.py`. Underscores around a name
    are left out."""
    path = Path(module)
    return Path("tests", level, *path.parts[1:-1], f"test_{path.stem.strip('_')}.py").as_posix()


def is_test_of(test: str, module: str) -> bool:
    """True if a file of tests is a module's own (`test_b.py`), or one more of them (`test_b_size.py`)."""
    own = mirrored(module, test.split("/")[1]).removesuffix(".py")
    return test == f"{own}.py" or (test.startswith(f"{own}_") and "/" not in test.removeprefix(own))


def without_tests(modules: list[str], tests: list[str], elsewhere: dict[str, str]) -> Iterator[str]:
    """What is missing: for each module without a file of tests at the mirrored path, that path."""
    for module in modules:
        wanted = [elsewhere[module]] if module in elsewhere else [mirrored(module, level) for level in LEVELS]
        if set(tests).isdisjoint(wanted):
            yield f"{module} has no tests: expected {' or '.join(wanted)}"


def without_module(tests: list[str], modules: list[str], across: dict[str, str]) -> Iterator[str]:
    """The files of unit tests that test no module of their folder, and where the module would be."""
    for test in tests:
        if test.startswith("tests/unit/") and test not in across and not any(is_test_of(test, m) for m in modules):
            path = Path(test)
            module = Path("websocket_handler", *path.parts[2:-1], path.name.removeprefix("test_"))
            yield f"{test} tests no module: expected {module.as_posix()}, or a module whose name begins it"


def crowded(tests: list[str], modules: list[str]) -> Iterator[str]:
    """The modules with too many files of tests at one level. A file counts for the longest name that it begins with."""
    for level in LEVELS:
        found: dict[str, list[str]] = {}
        for test in (test for test in tests if test.startswith(f"tests/{level}/")):
            owners = [module for module in modules if is_test_of(test, module)]
            if owners:
                found.setdefault(max(owners, key=len), []).append(test)
        for module, files in found.items():
            if len(files) > FILES_MAX:
                yield f"{module} has {len(files)} files of tests in tests/{level}, at most {FILES_MAX} are allowed"


MODULES: Final = [module for module in modules_of(PACKAGE, ROOT) if module not in DECLARATIONS]
FILES: Final = [relative(path) for path in TESTS if path.name.startswith("test_")]


def test_every_module_has_its_file_of_tests() -> None:
    missing = list(without_tests(MODULES, FILES, ELSEWHERE))
    assert missing == [], "\n".join(missing)


def test_every_file_of_unit_tests_has_its_module() -> None:
    strange = list(without_module(FILES, MODULES, ACROSS))
    assert strange == [], "\n".join(strange)


def test_no_module_has_a_crowd_of_test_files() -> None:
    assert list(crowded(FILES, MODULES)) == []


def test_no_exception_outlives_its_reason() -> None:
    assert set(ELSEWHERE) - set(MODULES) == set()
    assert [module for module in DECLARATIONS if does_something(ROOT / module)] == [], "there is something to test"
    assert set(ACROSS) - set(FILES) == set()
    assert [module for module in ELSEWHERE if not list(without_tests([module], FILES, {}))] == [], "it has its own"
    assert [test for test in ACROSS if not list(without_module([test], MODULES, {}))] == [], "it has a module"


def made_up(root: Path, files: dict[str, str]) -> tuple[list[str], list[str]]:
    """The modules and the files of tests of a tree that the test writes."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    names = [root / name for name in files]
    package = [path for path in names if path.is_relative_to(root / "websocket_handler")]
    return modules_of(package, root), [name for name in files if name.startswith("tests/")]


CODE: Final = "x = 1\n"


def test_a_module_without_tests_is_found_with_the_path_that_is_expected(tmp_path: Path) -> None:
    modules, tests = made_up(
        tmp_path,
        {
            "websocket_handler/__init__.py": '"""Says what it is."""\n',
            "websocket_handler/__main__.py": CODE,
            "websocket_handler/a/__init__.py": "",
            "websocket_handler/a/b.py": CODE,
            "websocket_handler/a/c.py": CODE,
            "websocket_handler/d.py": CODE,
            "websocket_handler/e.py": CODE,
            "tests/unit/test_main.py": "",
            "tests/unit/a/test_c.py": "",
            "tests/integration/test_d.py": "",
            "tests/unit/d/test_b.py": "",
            "tests/unit/a/test_b_size.py": "",
            "tests/e2e/a/test_b.py": "",
            "tests/infra/test_f.py": "",
        },
    )
    missing = list(without_tests(modules, tests, {"websocket_handler/e.py": "tests/infra/test_e.py"}))
    expected = "tests/unit/a/test_b.py or tests/contract/a/test_b.py or tests/integration/a/test_b.py"
    assert missing == [
        f"websocket_handler/a/b.py has no tests: expected {expected}",
        "websocket_handler/e.py has no tests: expected tests/infra/test_e.py",
    ]
    assert len(list(without_tests(modules, tests, {"websocket_handler/e.py": "tests/infra/test_f.py"}))) == 1


@pytest.mark.parametrize(
    ("text", "needs_tests"),
    [("", False), ('"""What it is."""\n', False), (f'"""What it is."""\n{CODE}', True), ("import os\n", True)],
)
def test_a_package_needs_tests_if_it_has_code(tmp_path: Path, text: str, needs_tests: bool) -> None:
    modules, _ = made_up(tmp_path, {"websocket_handler/a/__init__.py": text})
    assert bool(modules) == needs_tests
    assert mirrored("websocket_handler/a/__init__.py", "unit") == "tests/unit/a/test_init.py"


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("X = 1\n", False),
        ("class X:\n    a: int = 0\n", False),
        ('class X(Protocol):\n    def f(self) -> None:\n        """Does."""\n        ...\n', False),
        ("class X(Protocol):\n    async def f(self) -> None: ...\n", False),
        ("def f() -> int:\n    return 1\n", True),
        ("class X:\n    def f(self) -> None:\n        self.x = 1\n", True),
        ("async def f() -> None:\n    await g()\n", True),
    ],
    ids=range(7),
)
def test_a_module_that_declares_only_is_told_from_one_that_does_something(
    text: str, does: bool, tmp_path: Path
) -> None:
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    assert does_something(path) == does


@pytest.mark.parametrize(
    ("test", "is_known"),
    [
        ("tests/unit/a/test_b.py", True),
        ("tests/unit/a/test_b_size.py", True),
        ("tests/unit/test_main.py", True),
        ("tests/unit/a/test_bs.py", False),
        ("tests/unit/a/test_c.py", False),
        ("tests/unit/test_b.py", False),
        ("tests/unit/a/b/test_b.py", False),
        ("tests/unit/a/test_b_/test_x.py", False),
        ("tests/integration/test_anything.py", True),
        ("tests/unit/test_listed.py", True),
    ],
)
def test_a_file_of_unit_tests_without_a_module_is_found(test: str, is_known: bool) -> None:
    modules = ["websocket_handler/a/b.py", "websocket_handler/__main__.py"]
    found = list(without_module([test], modules, {"tests/unit/test_listed.py": "a reason"}))
    assert (found == []) == is_known
    if test == "tests/unit/a/test_c.py":
        assert found == [f"{test} tests no module: expected websocket_handler/a/c.py, or a module whose name begins it"]


def test_a_crowd_is_found_at_one_more_than_the_maximum_and_each_file_counts_once() -> None:
    modules = ["websocket_handler/a/b.py", "websocket_handler/a/b_c.py"]
    tests = [f"tests/unit/a/test_b_{index}.py" for index in range(FILES_MAX - 1)] + ["tests/unit/a/test_b.py"]
    others = ["tests/contract/a/test_b.py", "tests/unit/a/test_b_c.py", "tests/unit/a/test_b_c_x.py"]
    assert list(crowded(tests + others, modules)) == []
    assert list(crowded([*tests, "tests/unit/a/test_b_x.py", *others], modules)) == [
        f"websocket_handler/a/b.py has {FILES_MAX + 1} files of tests in tests/unit, at most {FILES_MAX} are allowed"
    ]

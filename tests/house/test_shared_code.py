"""What several folders of tests share stands in tests/support, once."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.files import ROOT, TESTS, relative


def imported_tests(path: Path) -> Iterator[tuple[str, ...]]:
    """The modules below `tests` that a file imports, each as its parts: `tests.support.clock` is `support, clock`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tests":
            parts = tuple(node.module.split(".")[1:])
            names = [(*parts, alias.name) for alias in node.names]
            yield from (name for name in names if (ROOT / "tests").joinpath(*name).with_suffix(".py").exists())
            if parts:
                yield parts


def is_shared(path: Path, module: tuple[str, ...]) -> bool:
    """True if a file of tests may import this module: one of tests/support, or one of its own folder that is itself
    no file of tests."""
    own_folder = path.relative_to(ROOT / "tests").parent.parts
    is_module = (ROOT / "tests").joinpath(*module).with_suffix(".py").exists()
    if module[0] == "support" or (module == own_folder and not is_module):
        return True
    return module[:-1] == own_folder and not module[-1].startswith(("test_", "conftest"))


def test_tests_import_from_support_and_not_from_each_other() -> None:
    foreign = {
        f"{relative(path)}: {'.'.join(module)}"
        for path in TESTS
        for module in imported_tests(path)
        if not is_shared(path, module)
    }
    assert foreign == set()


def test_the_rule_finds_what_it_should() -> None:
    path = ROOT / "tests" / "unit" / "net" / "test_pongs.py"
    for module in (("support", "clock"), ("unit", "net", "desk"), ("unit", "net")):
        assert is_shared(path, module), module
    for module in (
        ("unit", "net", "test_keepalive"),
        ("unit", "net", "conftest"),
        ("unit", "logs", "desk"),
        ("e2e", "browser"),
    ):
        assert not is_shared(path, module), module

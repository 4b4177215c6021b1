"""What no linter knows: the size of files, the house's words, links that lead somewhere, tests that do not wait."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.files import PACKAGE, ROOT, SOURCES, TESTS, kept, relative

LINES_MAX = 400
BANNED_WORDS = re.compile(r"(?<![a-z])(rooms?|topics?|managers?|helpers?|utils?|handlers?)(?![a-z])", re.IGNORECASE)
ALLOWED_NAMES = {"websocket_handler"}
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
EXPLAINED_BY_WHETHER = re.compile(r'(?:\|[ ]*|[Dd]escription"?:\s*"?|setting\(\s*")[Ww]hether\b.*')
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_rules_look_at_something() -> None:
    assert len(PACKAGE) > 30
    assert len(TESTS) > 20


def test_files_are_short_enough_to_read() -> None:
    long = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > LINES_MAX} == {}


def parts(name: str) -> str:
    """A name with its words apart: `LineWriter` is `Line Writer`."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name.replace("_", " "))


def names_in(path: Path) -> Iterator[str]:
    """The module's name, and its classes."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            yield node.name


def test_names_are_the_houses_words() -> None:
    found = {
        f"{relative(path)}: {name}"
        for path in PACKAGE
        for name in names_in(path)
        if name not in ALLOWED_NAMES and BANNED_WORDS.search(parts(name))
    }
    assert found == set()


def test_the_word_list_finds_what_it_should() -> None:
    for name in ("RoomManager", "room", "url_utils", "message_handler", "TopicList", "helpers"):
        assert BANNED_WORDS.search(parts(name)), name
    for name in ("has_room", "check_roominess", "utility"):
        assert bool(BANNED_WORDS.search(parts(name))) == (name == "has_room")


def test_nothing_is_left_unfinished() -> None:
    texts = kept(".py", ".js", ".ts", ".tsx", ".css", ".html", ".md", ".yaml", ".yml", ".toml", ".sh", ".json", ".in")
    found = {
        relative(path) for path in texts if "node_modules" not in path.parts and UNFINISHED.search(path.read_text())
    }
    assert found == set()


def test_no_merge_is_left_half_done() -> None:
    """A style sheet or a page with the marks of a conflict builds without an error."""
    marks = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
    texts = kept(
        ".py", ".js", ".ts", ".tsx", ".css", ".html", ".md", ".yaml", ".yml", ".toml", ".sh", ".json", ".in", ".txt"
    )
    assert [relative(path) for path in texts if marks.search(path.read_bytes())] == []


def test_nothing_is_explained_by_whether() -> None:
    """The cell of a table, a description or a setting says what a thing does: "on serves the console"."""
    texts = [*kept(".md", ".yaml", ".json"), ROOT / "websocket_handler" / "config.py"]
    found = {relative(path): EXPLAINED_BY_WHETHER.findall(path.read_text()) for path in texts}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_rule_about_whether_finds_definitions_only() -> None:
    for text in ("| `a` | Whether it is on |", "Description: Whether it is on", '"description": "whether"'):
        assert EXPLAINED_BY_WHETHER.search(text), text
    for text in (
        "| on | says whether it is on |",
        "Description: It says whether",
        "Whether you like it or not, it is on.",
    ):
        assert not EXPLAINED_BY_WHETHER.search(text), text


def test_annotations_of_inner_functions_are_not_evaluated_at_each_call() -> None:
    """`Position | CommandError` in a function that is made for each command costs microseconds there."""
    wrong = [relative(path) for path in PACKAGE if _evaluates_inner_annotations(path.read_text(encoding="utf-8"))]
    assert wrong == [], "they need `from __future__ import annotations`"


def test_the_rule_about_inner_annotations_finds_what_it_should() -> None:
    inner = "def outer():\n    def inner(x: int | str) -> None: ...\n"
    assert _evaluates_inner_annotations(inner)
    assert not _evaluates_inner_annotations("from __future__ import annotations\n" + inner)
    assert not _evaluates_inner_annotations("def outer(x: int | str):\n    def inner(x: int) -> None: ...\n")


def _evaluates_inner_annotations(text: str) -> bool:
    if "from __future__ import annotations" in text:
        return False
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = [
        node
        for function in functions
        for node in ast.walk(function)
        if node is not function and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    annotations = [
        annotation
        for function in inner
        for annotation in (function.returns, *(argument.annotation for argument in function.args.args))
    ]
    return any(isinstance(annotation, ast.BinOp | ast.Subscript) for annotation in annotations)


def test_each_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = [decision.read_text(encoding="utf-8").split(".", 1)[0] for decision in decisions]
    assert titles == [f"# {number}" for number in range(1, len(decisions) + 1)]
    assert [decision.name[:5] for decision in decisions] == [f"{number:04}-" for number in range(1, len(decisions) + 1)]


def test_links_of_the_documents_lead_somewhere() -> None:
    links = [(path, target) for path in kept(".md") for target in LINK.findall(path.read_text())]
    inner = [(path, target) for path, target in links if "://" not in target and not target.startswith("mailto:")]
    assert [f"{relative(path)}: {target}" for path, target in inner if not (path.parent / target).exists()] == []


REAL_PROCESSES = {"simulation", "proof", "infra"}
"""A virtual clock of its own; and what runs, kills and polls processes that nobody can await."""
WAITS = re.compile(r"\btime\.sleep\(|\bsleep\((?!0\))|asyncio\.sleep\((?!0\))")


def test_tests_do_not_sleep_on_a_real_clock() -> None:
    """A test waits for an event. In virtual time a sleep takes no time."""
    found = {relative(path): waits_in(path) for path in TESTS if REAL_PROCESSES.isdisjoint(path.parts)}
    assert {name: lines for name, lines in found.items() if lines} == {}


def waits_in(path: Path) -> list[str]:
    """The lines that wait for a real clock."""
    text = path.read_text()
    if path in (Path(__file__), ROOT / "tests" / "support" / "virtual_time.py"):
        return []
    if "tests.support.virtual_time import" in text or "in virtual time." in text.partition("\n")[0]:
        return []
    return [line.strip() for line in text.splitlines() if WAITS.search(line) and "# real time:" not in line]


MAKES_A_TOKEN = {"token", "bearer", "claims", "signed", "time"}


def called_at_import(node: ast.AST) -> Iterator[str]:
    """The functions that are called while a module is imported: not those inside other functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for outside in (*child.decorator_list, child.args):
                yield from called_at_import(outside)
            continue
        if isinstance(child, ast.Call):
            called = child.func
            yield called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        yield from called_at_import(child)


def test_no_token_is_made_while_tests_are_collected() -> None:
    """It would have a different age, and soon be too old, on a machine that takes its time."""
    found = {
        relative(path): MAKES_A_TOKEN.intersection(called_at_import(ast.parse(path.read_text()))) for path in TESTS
    }
    assert {name: calls for name, calls in found.items() if calls} == {}


TOO_LATE = re.compile(r"assert .*\btime\.\w+\(\)(?! < deadline)[^<]*<")
"""A guard against waiting for ever calls its end `deadline`."""


def test_no_test_fails_because_something_took_long() -> None:
    """The machine may be busy. A deadline is tested in virtual time."""
    found = {
        relative(path): [line.strip() for line in path.read_text().splitlines() if TOO_LATE.search(line)]
        for path in TESTS
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def modules_in(path: Path) -> Iterator[str]:
    """What a test imports, with its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_of_the_pure_layers_is_tested_somewhere() -> None:
    imported = {name for path in TESTS for name in modules_in(path)}
    for layer in ("protocol", "hub", "access"):
        paths = (ROOT / "websocket_handler" / layer).glob("[a-z]*.py")
        assert {f"websocket_handler.{layer}.{path.stem}" for path in paths} - imported == set()


BEGINS_WITH_WHETHER = re.compile(r'(?:"""|# |/\*\*? |// |@returns \{\w+\} )[Ww]hether\b.*')


def test_docstrings_and_comments_say_what_is_true_or_raised() -> None:
    """ "True if X", or "Raises Y unless X": a sentence that begins with "Whether" says neither."""
    texts = [path for path in kept(".py", ".js", ".ts", ".tsx", ".c") if path != Path(__file__)]
    begun = {relative(path): BEGINS_WITH_WHETHER.findall(path.read_text()) for path in texts}
    assert {name: lines for name, lines in begun.items() if lines} == {}


def test_the_rule_about_beginnings_finds_docstrings_and_comments_only() -> None:
    for text in (
        '"""Whether it is on."""',
        "x = 1  # whether it is on",
        "/** Whether it is on. */",
        "// Whether it is on.",
    ):
        assert BEGINS_WITH_WHETHER.search(text), text
    for text in ('"""Says whether it is on."""', 'assert text == "Whether"', "# Nobody knows whether it is on."):
        assert not BEGINS_WITH_WHETHER.search(text), text

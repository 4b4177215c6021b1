"""The compiled loop in a source folder: made once, made again when its source changed, and done without otherwise."""

from __future__ import annotations

import os
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from websocket_handler.net.compile_send import FOLDER, compile_send

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="no C compiler here: there is nothing to compile with"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The source, and nothing compiled."""
    shutil.copy(FOLDER / "_send.c", tmp_path)
    return tmp_path


def test_what_is_compiled_is_the_loop(folder: Path) -> None:
    """It loads as what the gateway imports, and nothing else is left in the folder."""
    assert compile_send(folder) == ""

    assert {path.name for path in folder.iterdir()} == {"_send.c", "_send.abi3.so"}
    spec = spec_from_file_location("websocket_handler.net._send", folder / "_send.abi3.so")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.send_to_all)


def test_it_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start asks no compiler."""
    compile_send(folder)
    made = (folder / "_send.abi3.so").stat().st_mtime_ns
    monkeypatch.setenv("CC", "no-such-compiler")

    assert compile_send(folder) == ""
    assert (folder / "_send.abi3.so").stat().st_mtime_ns == made


def test_a_changed_source_is_compiled_again(folder: Path) -> None:
    """As after a `git pull`."""
    compile_send(folder)
    library = folder / "_send.abi3.so"
    os.utime(library, (0, 0))

    assert compile_send(folder) == ""
    assert library.stat().st_mtime > 0


def test_without_a_compiler_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old loop is better than none."""
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "no C compiler" in compile_send(folder)

    (folder / "_send.abi3.so").touch()
    os.utime(folder / "_send.abi3.so", (0, 0))
    assert compile_send(folder) == ""


def test_what_the_compiler_says_is_passed_on(folder: Path) -> None:
    """With what is missing, where that is known."""
    (folder / "_send.c").write_text("#error broken on purpose\n", encoding="ascii")
    assert "broken on purpose" in compile_send(folder)

    (folder / "_send.c").write_text('#include "no/such/Python.h"\n', encoding="ascii")
    assert "python3-dev" in compile_send(folder)
    assert {path.name for path in folder.iterdir()} == {"_send.c"}


def test_a_package_without_source_is_left_alone(tmp_path: Path) -> None:
    """A wheel or the image: the loop is there, or it is not."""
    assert compile_send(tmp_path) != ""
    (tmp_path / "_send.abi3.so").touch()
    assert compile_send(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["_send.abi3.so"]

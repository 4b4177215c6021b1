"""The wheel: one for every Python from 3.11 on, with the compiled loop in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.support.patience import PATIENCE_S

ROOT: Final = Path(__file__).resolve().parents[2]
VERSIONS: Final = ("python3.11", "python3.12", "python3.13", "python3.14")
LOADED: Final = """
import socket
from array import array
from websocket_handler.net import _send
ours, theirs = socket.socketpair()
assert _send.send_to_all(array("i", [ours.fileno()]), b"hello", array("i", [0, 0])) == 0
assert theirs.recv(9) == b"hello"
print(_send.__file__)
"""
"""Loads the compiled loop, and sends through it. No other module of the gateway is needed for that."""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here: the loop is not built")


def run(*command: str | Path, **environment: str) -> str:
    """What a command prints. It has to succeed."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a fresh copy: what an earlier build left behind is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    built = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "websocket_handler", source / "websocket_handler", ignore=built)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, source)
    (made,) = folder.glob("*.whl")
    return made


@needs_compiler
def test_the_wheel_is_for_this_and_every_later_python(wheel: Path) -> None:
    """Its name and its own record say so, and its only binary is built against the stable ABI."""
    assert wheel.name.split("-")[2:4] == ["cp311", "abi3"]
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (record,) = (content.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    assert "Tag: cp311-abi3-" in record
    assert [name for name in names if name.endswith(".so")] == ["websocket_handler/net/_send.abi3.so"]


def test_an_installed_wheel_says_that_it_cannot_build_the_image(wheel: Path, tmp_path: Path) -> None:
    """It contains only what runs. The dry run says so, and so does the deployment before it asks anybody."""
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--target", tmp_path)
    run(sys.executable, "-m", "pip", "install", *options, wheel)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    for more in ((), ("--dry-run",)):
        command = [sys.executable, "-m", "websocket_handler", "deploy", "prod", *more]
        done = subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert f"{tmp_path}/websocket_handler cannot be built: there is no Dockerfile" in done.stdout
        assert "Deploy from the source folder" in done.stdout


@needs_compiler
@pytest.mark.parametrize("version", VERSIONS)
def test_each_python_installs_the_wheel_and_loads_its_loop(wheel: Path, version: str, tmp_path: Path) -> None:
    """The interpreter's own rules for tags let it in, and the loop finds every symbol it needs."""
    found = subprocess.run([ROOT / ".ci" / "find-python", version], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no {version} on this machine")
    python = found.stdout.strip()
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--target", tmp_path)
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel)
    loaded = run(python, "-c", LOADED, PYTHONPATH=str(tmp_path), LD_BIND_NOW="1")
    assert loaded == str(tmp_path / "websocket_handler" / "net" / "_send.abi3.so")

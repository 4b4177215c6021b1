"""`requirements/install.py`: what it puts where, what it says meanwhile, and what it does with another package."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.gateway import REPOSITORY
from tests.support.patience import PATIENCE_S

SCRIPT = REPOSITORY / "requirements" / "install.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with one package in it, `tiny`."""
    folder = tmp_path_factory.mktemp("install")
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return folder


def lock(folder: Path, digest: str) -> Path:
    """A lock that names the package with this digest."""
    path = folder / "lock.txt"
    path.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n", encoding="ascii")
    return path


def install(folder: Path, digest: str, venv: str = "venv") -> subprocess.CompletedProcess[str]:
    """Run it as make does. pip sees no index, only the folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, SCRIPT, folder / venv, lock(folder, digest)],
        env={**environment, **offline},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_says_each_step_and_does_nothing_twice(folder: Path) -> None:
    """The second time there is nothing to create. What is there already stays."""
    digest = hashlib.sha256((folder / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()

    first, second = install(folder, digest), install(folder, digest)

    assert (first.returncode, second.returncode) == (0, 0), first.stdout
    said = first.stdout.splitlines()
    assert said[0] == f"creating the virtual environment {folder.as_posix()}/venv"
    assert any(line.startswith("installing the 1 packages of") for line in said)
    assert said[-1].startswith("installed in ")
    assert "creating" not in second.stdout
    python = str(folder / "venv" / "bin" / "python")
    assert subprocess.check_output([python, "-c", "import tiny; print(tiny.ANSWER)"], text=True) == "42\n"


def test_another_package_than_the_locked_one_is_refused(folder: Path) -> None:
    """With pip's own words, which are hidden otherwise, and an exit code that stops make."""
    done = install(folder, "0" * 64, venv="other")

    assert done.returncode == 1
    assert "pip failed. The last lines that it printed:" in done.stdout
    assert "DO NOT MATCH THE HASHES" in done.stdout

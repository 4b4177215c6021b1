"""The package as it is published: what is in it, what it needs, and that it works where nothing else is."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.documents import ROOT

PACKAGE = ROOT / "clients" / "python"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy, so that nothing is written into the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_it_has_every_module_and_its_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("websocket_handler_client/**/*.py")}
    assert len(modules) > 30
    assert modules - names == set()
    assert "websocket_handler_client/py.typed" in names
    assert not {name for name in names if name.startswith(("examples", "tests"))}
    metadata = next(name for name in names if name.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist:")]
    assert required == ["Requires-Dist: websockets>=14", 'Requires-Dist: boto3>=1.34; extra == "sqs"']


def test_it_works_from_the_wheel_and_publishes_with_the_standard_library_only(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import websocket_handler_client as sdk;"
        f"assert sdk.__file__.startswith({str(tmp_path)!r});"
        "sdk.Publisher('http://127.0.0.1:9').close();"
        "print(sorted({'websockets', 'boto3', 'botocore'} & set(sys.modules)))"
    )
    # -S: no packages of this environment
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_it_has_the_version_of_the_service() -> None:
    versions = {
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        for folder in (ROOT, PACKAGE)
    }
    assert len(versions) == 1

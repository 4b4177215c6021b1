"""The repository's own files."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def kept(*suffixes: str) -> list[Path]:
    """The repository's own files with these suffixes: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (ROOT / name for name in listed.split("\0") if name.endswith(suffixes))
    return sorted(path for path in paths if path.is_file() and not path.is_relative_to(ROOT / ".venv"))


def relative(path: Path) -> str:
    """A file's name for people."""
    return path.relative_to(ROOT).as_posix()


PYTHON = kept(".py")
SOURCES = kept(".py", ".js", ".ts", ".tsx", ".css", ".html")
PACKAGE = [path for path in PYTHON if path.is_relative_to(ROOT / "websocket_handler")]
TESTS = [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]

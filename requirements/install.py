"""Installs a lock into a virtual environment, and says every two seconds how far it is.

`python3 requirements/install.py VENV LOCK`. `make` runs this before anything else is installed, so it needs nothing but
Python itself. What the virtual environment has already stays. Exit code 2: this machine lacks something; else pip's.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CANNOT: Final = 2
SAY_EVERY_S: Final = 2.0
OUTPUT_LINES_SHOWN: Final = 40
PIP_OPTIONS: Final = (
    "--require-hashes",
    "--no-deps",  # a lock names every package
    "--no-compile",  # Python compiles a module when somebody first imports it; most of them nobody does
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
)
FOUND: Final = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
SIZE: Final = re.compile(r"Downloading \S+ \(([\d.]+) ([kM]?B)\)")
UNITS: Final = {"B": 1e-6, "kB": 1e-3, "MB": 1.0}


class Progress:
    """What pip has done so far, read from its output."""

    def __init__(self, packages: int, site_packages: Path) -> None:
        self.tail: deque[str] = deque(maxlen=OUTPUT_LINES_SHOWN)
        self.megabytes = 0.0
        self._packages = packages
        self._site_packages = site_packages
        self._found: set[str] = set()
        self._name = "none yet"
        self._there_before = self._there()
        self._is_unpacking = False

    def read(self, line: str) -> None:
        """Take one line of pip's output."""
        self.tail.append(line)
        if match := FOUND.match(line.strip()):
            self._name = match[1]
            self._found.add(self._name)
        elif match := SIZE.match(line.strip()):
            self.megabytes += float(match[1]) * UNITS[match[2]]
        elif line.startswith("Installing collected packages"):
            self._is_unpacking = True

    def __str__(self) -> str:
        if self._is_unpacking:
            return f"unpacking: {self._there() - self._there_before} packages are there"
        return f"fetching: {len(self._found)} of {self._packages}, {self.megabytes:.0f} MB; last: {self._name}"

    def _there(self) -> int:
        return sum(1 for _ in self._site_packages.glob("*.dist-info"))


def install(venv: Path, lock: Path) -> int:
    """Make the virtual environment where it is missing, and put the packages into it. Returns the exit code."""
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not _has_pip(python) and not _create(venv):
        say("Python cannot create a virtual environment here; on Debian and Ubuntu: apt install python3-venv")
        return CANNOT
    packages = len(re.findall(r"^[a-zA-Z0-9]\S*==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    say(f"installing the {packages} packages of {lock.as_posix()} in {venv.as_posix()}")
    began_at = time.monotonic()
    progress = Progress(packages, _site_packages(python))
    with (
        subprocess.Popen(
            [python, "-m", "pip", "install", *PIP_OPTIONS, "-r", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pip,
        telling(lambda: str(progress)),
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            progress.read(line.rstrip())
        code = pip.wait()
    if code:
        say("pip failed. The last lines that it printed:", *progress.tail)
    else:
        say(f"installed in {time.monotonic() - began_at:.0f} s, {progress.megabytes:.0f} MB fetched")
    return code


def _has_pip(python: Path) -> bool:
    """True if there is a virtual environment that works. One without pip is what Debian leaves without python3-venv."""
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _create(venv: Path) -> bool:
    say(f"creating the virtual environment {venv.as_posix()}")
    with telling(lambda: "Python copies itself and pip"):
        return subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False).returncode == 0


def _site_packages(python: Path) -> Path:
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([python, "-c", question], text=True).strip())


@contextmanager
def telling(how_far: Callable[[], str]) -> Iterator[None]:
    """Says every two seconds how far it is, for the length of a `with` block."""
    began_at, done = time.monotonic(), threading.Event()

    def speak() -> None:
        while not done.wait(SAY_EVERY_S):
            say(f"  {time.monotonic() - began_at:3.0f} s  {how_far()}")

    speaking = threading.Thread(target=speak, daemon=True)
    speaking.start()
    try:
        yield
    finally:
        done.set()
        speaking.join()


def say(*lines: str) -> None:
    """Tell whoever started this."""
    print(*lines, sep="\n", flush=True)


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    venv, lock = map(Path, arguments)
    return install(venv, lock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

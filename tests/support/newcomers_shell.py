"""A newcomer's shell: an empty home, nothing of this project's environment, and what earlier commands changed in it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

KEPT: Final = ("PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
TIMEOUT_S: Final = 900.0


def bare_environment(home: Path) -> dict[str, str]:
    """What a new login has. How this machine reaches its package index stays (pip's variables)."""
    environment = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
    venv = os.environ.get("VIRTUAL_ENV", "")
    folders = [folder for folder in environment["PATH"].split(":") if not venv or not folder.startswith(venv)]
    return {**environment, "PATH": ":".join(folders), "HOME": str(home)}


class Shell:
    """One shell after another, each with the folder and the variables that the one before ended with."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)

    def run(self, command: str) -> str:
        """Run a command to its end; what it printed. Raises AssertionError when it fails."""
        with tempfile.TemporaryDirectory() as kept:
            after = f'\ncode=$?; env -0 > "{kept}/environment"; pwd > "{kept}/folder"; exit $code'
            done = subprocess.run(
                ["bash", "-c", command + after],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}"
            variables = Path(kept, "environment").read_text(encoding="utf-8").split("\0")
            self.environment = dict(line.split("=", 1) for line in variables if line)
            self.folder = Path(Path(kept, "folder").read_text(encoding="utf-8").rstrip("\n"))
        return done.stdout

    def paste(self, commands: str) -> None:
        """Run commands that somebody else printed."""
        self.run(commands)

"""Bills of materials as the image's build makes them, from the packages of this test's own environment."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from supply_chain.lock import read_lock
from tests.support.patience import PATIENCE_S

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "websocket_handler" / "requirements.txt"
SCRIPT: Final = ROOT / "websocket_handler" / "image" / "sbom.py"
CREATED: Final = "2026-11-22T20:00:00Z"


def report_of(lock: Path) -> dict[str, Any]:
    """What pip reports after it fetched a lock's packages: one file of each, from some address."""
    return {
        "version": "1",
        "install": [
            {
                "download_info": {
                    "url": "https://index.example/x.whl",
                    "archive_info": {"hashes": {"sha256": pin.hashes[-1]}},
                },
                "metadata": {"name": pin.name, "version": pin.version},
            }
            for pin in read_lock(lock)
        ],
    }  # fmt: skip


def make(folder: Path, report: dict[str, Any] | None = None, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the Dockerfile does; the bill is `sbom.cdx.json` in the folder."""
    (folder / "report.json").write_text(json.dumps(report or report_of(LOCK)))
    command = [sys.executable, "-I", str(SCRIPT), "--version", "1.2.3", "--created", CREATED]
    paths = {
        "--lock": LOCK,
        "--report": folder / "report.json",
        "--packages": sysconfig.get_path("purelib"),
        "--output": folder / "sbom.cdx.json",
    }
    arguments = [str(part) for pair in paths.items() for part in pair]
    return subprocess.run(
        [*command, *arguments, *more], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


@cache
def text() -> str:
    """The bill of the runtime lock."""
    with tempfile.TemporaryDirectory() as folder:
        done = make(Path(folder))
        assert (done.returncode, done.stderr) == (0, "")
        return (Path(folder) / "sbom.cdx.json").read_text(encoding="utf-8")


def made() -> dict[str, Any]:
    """The bill of the runtime lock, to look at and to change."""
    bill: dict[str, Any] = json.loads(text())
    return bill
